"""Reads what a request's path names: a group and version, a namespace, a resource, an object, a subresource."""

from dataclasses import dataclass
from urllib.parse import unquote

NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
"""A third segment after `namespaces/<name>` that belongs to the Namespace and is no resource within it."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a resource path names. Empty strings are absent parts."""

    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What follows the subresource, as in `pods/x/proxy/some/path`."""


def parse(raw_path: str) -> Target | None:
    """The target of `/api/<version>/...` or `/apis/<group>/<version>/...`; None when the path names no resource.

    `raw_path` is still percent-encoded, so that an encoded slash stays inside its segment.
    """
    segments = [unquote(segment) for segment in raw_path.strip("/").split("/")]
    match segments:
        case ["api", version, _, *_]:
            group, parts = "", segments[2:]
        case ["apis", group, version, _, *_]:
            parts = segments[3:]
        case _:
            return None
    if not all(parts):
        return None
    namespace = ""
    match parts:
        case ["namespaces", _, kind, *_] if kind not in NAMESPACE_SUBRESOURCES:
            namespace, parts = parts[1], parts[2:]
    resource, name, subresource, *rest = [*parts, "", ""] if len(parts) < 3 else parts
    return Target(group, version, resource, namespace, name, subresource, "/".join(part for part in rest if part))
