"""Writes and applies of objects, as managed fields see them, and what is told of their owners."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from timonel.api import managed_fields
from timonel.api.types import apps_v1, core_v1

Doc = dict[str, Any]
Kind = type[apps_v1.Deployment | apps_v1.ControllerRevision | core_v1.Pod | core_v1.ConfigMap]
T0, T1, T2 = (f"2026-01-02T03:04:0{second}Z" for second in range(3))


def plain(doc: Doc) -> Doc:
    """As who reads the object's JSON has it."""
    decoded: Doc = msgspec.json.decode(msgspec.json.encode(doc))
    return decoded


def update(
    old: Doc | None,
    new: Doc,
    manager: str = "kubectl-edit",
    *,
    now: str = T0,
    subresource: str = "",
    kind: Kind = apps_v1.Deployment,
) -> Doc:
    before = copy.deepcopy((old, new))
    result = managed_fields.update(
        kind, old, new, manager=manager, now=now, subresource=subresource, api_version=kind.gvk.api_version
    )
    assert (old, new) == before
    return plain(result)


def apply(
    live: Doc | None,
    applied: Doc,
    manager: str = "me",
    *,
    force: bool = False,
    now: str = T0,
    subresource: str = "",
    kind: Kind = apps_v1.Deployment,
) -> Doc:
    before = copy.deepcopy((live, applied))
    result = managed_fields.apply(
        kind,
        live,
        applied,
        manager=manager,
        force=force,
        now=now,
        subresource=subresource,
        api_version=kind.gvk.api_version,
    )
    assert (live, applied) == before
    return plain(result)


def deployment(**spec: Any) -> Doc:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def config_map(data: dict[str, str], **metadata: Any) -> Doc:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", **metadata}, "data": data}


def pod(*containers: Doc, **spec: Any) -> Doc:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": list(containers), **spec},
        "status": {},
    }


def revision(data: Any) -> Doc:
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "r"},
        "data": data,
        "revision": 1,
    }


def entries(doc: Doc) -> dict[tuple[str, str, str], Doc]:
    """The entries by manager, operation and subresource."""
    listed = doc["metadata"].get("managedFields", [])
    return {(e["manager"], e["operation"], e.get("subresource", "")): e for e in listed}


def fields(doc: Doc, manager: str, operation: str = "Update", subresource: str = "") -> Doc | None:
    entry = entries(doc).get((manager, operation, subresource))
    return entry["fieldsV1"] if entry else None


def codec_copy(doc: Doc, **spec: Any) -> Doc:
    """A deep copy with other spec fields; None removes."""
    result = copy.deepcopy(doc)
    for name, value in spec.items():
        result["spec"].pop(name, None)
        if value is not None:
            result["spec"][name] = value
    return result
