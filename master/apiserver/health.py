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

    Why a check failed is in the log and not in the answer, which anybody may read. Source of the format: the answers of
    a kube-apiserver 1.35.
    """
    if only:
        return await _judge_one(endpoint, only, checks[only]) if only in checks else None
    excluded = set(query.getall("exclude", []))
    chosen = [name for name in checks if name not in excluded]
    results = await asyncio.gather(*(_passes(endpoint, name, checks[name]) for name in chosen))
    failed = {name for name, passed in zip(chosen, results, strict=True) if not passed}
    if not failed and not boolean(query, "verbose"):
        return Verdict(True, "ok")
    lines = [_line(name, excluded=name in excluded, failed=name in failed) for name in checks]
    if strangers := excluded - checks.keys():
        names = ",".join(f'"{name}"' for name in sorted(strangers))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
    lines.append(f"{endpoint} check {'failed' if failed else 'passed'}")
    return Verdict(not failed, "\n".join(lines) + "\n")


async def _judge_one(endpoint: str, name: str, check: Check) -> Verdict:
    passes = await _passes(endpoint, name, check)
    return Verdict(passes, "ok" if passes else "internal server error: reason withheld\n")


def _line(name: str, *, excluded: bool, failed: bool) -> str:
    if excluded:
        return f"[+]{name} excluded: ok"
    return f"[-]{name} failed: reason withheld" if failed else f"[+]{name} ok"


async def _passes(endpoint: str, name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001  # whatever a check raises is its verdict
        log.warning("%s check %s failed: %r", endpoint, name, error)
        return False
    return True
