"""The OpenAPI documents: version 3 for each group-version, version 2 for everything at once."""

from collections.abc import Iterable
from typing import Any

from master.apiserver.openapi import operations
from master.apiserver.openapi.schemas import V2, V3, build
from master.apiserver.served import Groups, GroupVersion
from timonel.api import scheme
from timonel.api.gvk import GVK
from timonel.api.struct import Struct
from timonel.api.types import meta_v1

Document = dict[str, Any]

_INFO_TITLE = "Kubernetes"


def v3(gv: GroupVersion, server_version: str) -> Document:
    """The version 3 document of a group-version."""
    return {
        "openapi": "3.0.0",
        "info": {"title": _INFO_TITLE, "version": server_version},
        "paths": operations.paths(gv, V3),
        "components": {
            "schemas": build(_roots([gv]), V3),
            "securitySchemes": {"BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"}},
        },
    }


def v2(groups: Groups, server_version: str) -> Document:
    """The version 2 document of all that is served."""
    everything = [gv for versions in groups.values() for gv in versions]
    return {
        "swagger": "2.0",
        "info": {"title": _INFO_TITLE, "version": server_version},
        "paths": {path: item for gv in everything for path, item in operations.paths(gv, V2).items()},
        "definitions": build(_roots(everything), V2),
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"}},
        "security": [{"BearerToken": []}],
    }


def list_struct(gvk: GVK) -> type[Struct] | None:
    """The Struct of a kind's list."""
    return scheme.lookup(GVK(gvk.group, gvk.version, f"{gvk.kind}List"))


def _roots(group_versions: Iterable[GroupVersion]) -> list[type[Struct]]:
    roots: set[type[Struct]] = {meta_v1.Status, meta_v1.DeleteOptions, meta_v1.WatchEvent, meta_v1.APIResourceList}
    for gv in group_versions:
        for item in gv.resources:
            structs = [item.resource.struct, list_struct(item.resource.gvk), *(sub.struct for sub in item.subresources)]
            roots.update(struct for struct in structs if struct is not None)
    return sorted(roots, key=lambda struct: (struct.__module__, struct.__name__))
