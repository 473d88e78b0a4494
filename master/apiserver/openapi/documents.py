"""The OpenAPI documents: version 3 for each group-version, version 2 for everything at once."""

from collections.abc import Iterable
from typing import Any

from master.apiserver.openapi.custom import AnyStruct
from master.apiserver.openapi.operations import paths
from master.apiserver.openapi.schemas import V2, V3, Dialect, build, name_of
from master.apiserver.openapi.wording import path_item, refusals
from master.apiserver.served import Groups, GroupVersion
from timonel.api.types import meta_v1

Document = dict[str, Any]

_INFO_TITLE = "Kubernetes"


def v3(gv: GroupVersion, server_version: str) -> Document:
    """The version 3 document of a group-version."""
    return {
        "openapi": "3.0.0",
        "info": {"title": _INFO_TITLE, "version": server_version},
        "paths": _paths([gv], V3),
        "components": {
            "schemas": build(_roots([gv]), V3),
            "responses": refusals(),
            "securitySchemes": {"BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"}},
        },
    }


def v2(groups: Groups, server_version: str) -> Document:
    """The version 2 document of all that is served."""
    everything = [gv for versions in groups.values() for gv in versions]
    return {
        "swagger": "2.0",
        "info": {"title": _INFO_TITLE, "version": server_version},
        "paths": _paths(everything, V2),
        "definitions": build(_roots(everything), V2),
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"}},
        "security": [{"BearerToken": []}],
    }


def _paths(group_versions: Iterable[GroupVersion], dialect: Dialect) -> Document:
    return {path.url: path_item(path, gv, dialect) for gv in group_versions for path in paths(gv)}


def _roots(group_versions: Iterable[GroupVersion]) -> list[AnyStruct]:
    """All that operations take and give."""
    roots: set[AnyStruct] = {meta_v1.WatchEvent, meta_v1.Status}
    for gv in group_versions:
        for path in paths(gv):
            for operation in path.operations:
                structs = (operation.answer, operation.body.struct if operation.body else None)
                roots.update(struct for struct in structs if struct is not None)
    return sorted(roots, key=name_of)
