"""Completes kinds and names on the command line from the API, where that answers fast."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from timonel.cli.context import Settings

if TYPE_CHECKING:
    from timonel.client import Client

PATIENCE = 1.0
"""Seconds after which completion gives up: a prompt that hangs is worse than none."""

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Kinds, then names of the kind that was given; `kind/` completes names too."""
    given = list(ctx.params.get(param.name or "") or ())
    if "/" in incomplete:
        kind, _, prefix = incomplete.partition("/")
        return [CompletionItem(f"{kind}/{name}") for name in _ask(ctx, _names, kind) if name.startswith(prefix)]
    words = _ask(ctx, _names, given[0]) if given else _ask(ctx, _kinds, "")
    return [CompletionItem(word) for word in words if word.startswith(incomplete) and word not in given]


def names_of(kind: str) -> Complete:
    """Completes names of one kind."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if "/" in incomplete:
            return targets(ctx, param, incomplete)
        return [CompletionItem(name) for name in _ask(ctx, _names, kind) if name.startswith(incomplete)]

    return complete


def _ask(
    ctx: click.Context, question: Callable[[Client, str, str], Coroutine[Any, Any, list[str]]], kind: str
) -> list[str]:
    """The answer; nothing where it does not come fast, or at all."""
    settings = ctx.find_object(Settings) or Settings()
    try:
        return asyncio.run(_within_patience(settings, question, kind))
    except Exception:  # noqa: BLE001  # a completion must not put errors into the user's prompt
        return []


async def _within_patience(
    settings: Settings, question: Callable[[Client, str, str], Coroutine[Any, Any, list[str]]], kind: str
) -> list[str]:
    from timonel.client import Client

    access = settings.access()
    async with asyncio.timeout(PATIENCE), Client(access) as client:
        return await question(client, kind, settings.namespace or access.namespace)


async def _kinds(client: Client, kind: str, namespace: str) -> list[str]:
    found = await client.discover()
    return sorted({resource.plural for resource in found.resources if "list" in resource.verbs})


async def _names(client: Client, kind: str, namespace: str) -> list[str]:
    resource = await client.resource(kind)
    table = await client.kind(resource).table(namespace if resource.namespaced else "")
    return [str(row["cells"][0]) for row in table["rows"]]
