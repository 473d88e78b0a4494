"""Health: `/livez`, `/readyz` and `/healthz`, each a set of named checks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from master.apiserver.options import Query, boolean

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
"""Raises when something is not well."""

CHECK_SECONDS = 5.0

ENDPOINTS = ("livez", "readyz", "healthz")


class Verdict(NamedTuple):
    """An endpoint's answer."""

    healthy: bool
    text: str


async def judge(endpoint: str, checks: Mapping[str, Check], query: Query, only: str = "") -> Verdict | None:
    """Run the checks and say how the endpoint answers; None when `only` names no check.

    Why a check failed is in the log and not in the answer, which anybody may read.
    """
    if only and only not in checks:
        return None
    excluded = set(query.getall("exclude", []))
    chosen = {name: check for name, check in checks.items() if name not in excluded and only in ("", name)}
    results = await asyncio.gather(*(_passes(endpoint, name, check) for name, check in chosen.items()))
    healthy = all(results)
    if healthy and not boolean(query, "verbose"):
        return Verdict(True, "ok")
    lines = [
        f"[+]{name} ok" if passed else f"[-]{name} failed: reason withheld"
        for name, passed in zip(chosen, results, strict=True)
    ]
    lines.append(f"{endpoint} check {'passed' if healthy else 'failed'}")
    return Verdict(healthy, "\n".join(lines) + "\n")


async def _passes(endpoint: str, name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001  # whatever a check raises is its verdict
        log.warning("%s check %s failed: %r", endpoint, name, error)
        return False
    return True
