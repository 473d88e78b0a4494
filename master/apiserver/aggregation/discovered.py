"""What an extension server says that it serves, read without trust: what is not as it should be is left out."""

from __future__ import annotations

from typing import Any

import msgspec

from master.apiserver.served import GroupVersion, ServedResource, ServedSubresource
from master.registry.base import Resource
from timonel.api.gvk import GVK
from timonel.api.types import meta_v1

Document = dict[str, Any]


def group_version(group: str, version: str, raw: bytes) -> GroupVersion:
    """A version as discovery shows it, from the APIResourceList of its server.

    Raises:
        ValueError: it is none.
    """
    try:
        found = msgspec.json.decode(raw, type=meta_v1.APIResourceList)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the answer is no APIResourceList: {error}") from error
    mains = [entry for entry in found.resources if entry.name and "/" not in entry.name]
    resources = tuple(
        ServedResource(
            _resource(group, version, entry), tuple(entry.verbs), _subresources(group, version, entry, found)
        )
        for entry in sorted(mains, key=lambda entry: entry.name)
    )
    return GroupVersion(group, version, resources)


def _subresources(
    group: str, version: str, main: meta_v1.APIResource, found: meta_v1.APIResourceList
) -> tuple[ServedSubresource, ...]:
    prefix = f"{main.name}/"
    return tuple(
        ServedSubresource(entry.name.removeprefix(prefix), _gvk(group, version, entry), None, tuple(entry.verbs))
        for entry in sorted(found.resources, key=lambda entry: entry.name)
        if entry.name.startswith(prefix)
    )


def _resource(group: str, version: str, entry: meta_v1.APIResource) -> Resource:
    return Resource(
        gvk=_gvk(group, version, entry),
        plural=entry.name,
        singular=entry.singularName,
        namespaced=bool(entry.namespaced),
        struct=None,
        short_names=tuple(entry.shortNames),
        categories=tuple(entry.categories),
    )


def _gvk(group: str, version: str, entry: meta_v1.APIResource) -> GVK:
    return GVK(entry.group or group, entry.version or version, entry.kind)


def _dict(found: Any) -> Document:
    return found if isinstance(found, dict) else {}


def openapi_url(raw: bytes, path: str) -> str | None:
    """Where in an `/openapi/v3` index the document of a version is; None when there is none."""
    try:
        index = msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return None
    entry = _dict(_dict(_dict(index).get("paths")).get(path))
    url = entry.get("serverRelativeURL")
    return url if isinstance(url, str) and url.startswith("/") else None
