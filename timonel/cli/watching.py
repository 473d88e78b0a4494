"""Keeps a view of objects up to date, for commands that wait for something."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from timonel.api.errors import Expired
from timonel.client import Kind

Objects = dict[tuple[str, str], dict[str, Any]]
"""Objects by namespace and name."""


async def views(
    kind: Kind[dict[str, Any]], namespace: str, *, labels: str = "", fields: str = ""
) -> AsyncGenerator[Objects, None]:
    """The objects that the selectors choose, now and after each change, for ever. It is always the same mapping."""
    objects: Objects = {}
    while True:
        listing = await kind.list(namespace, labels=labels, fields=fields)
        objects.clear()
        objects.update((_key(item), item) for item in listing.items)
        yield objects
        changes = kind.watch(namespace, labels=labels, fields=fields, resource_version=listing.resource_version)
        try:
            async with aclosing(changes):
                async for change in changes:
                    if change.type == "DELETED":
                        objects.pop(_key(change.object), None)
                    else:
                        objects[_key(change.object)] = change.object
                    yield objects
        except Expired:
            continue  # too much has happened meanwhile: look anew


async def states(kind: Kind[dict[str, Any]], namespace: str, name: str) -> AsyncGenerator[dict[str, Any] | None, None]:
    """One object, now and after each change, for ever; None while there is none."""
    seen = views(kind, namespace, fields=f"metadata.name={name}")
    async with aclosing(seen):
        async for objects in seen:
            yield next(iter(objects.values()), None)


async def until_gone(kind: Kind[dict[str, Any]], namespace: str, name: str, uid: str) -> None:
    """Return once the object with that uid is not there; a new one of its name is another."""
    async with aclosing(states(kind, namespace, name)) as seen:
        async for obj in seen:
            if obj is None or (uid and obj["metadata"].get("uid") != uid):
                return


def _key(obj: dict[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
