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
    """What follows the subresource, as it came: `/some/path` of `pods/x/proxy/some/path`, `/` of `pods/x/proxy/`."""
    watch: bool = False
    """Whether it is a path of the old kind that only watches: `/api/v1/watch/pods`."""


def parse(raw_path: str) -> Target | None:
    """The target of `/api/<version>/...` or `/apis/<group>/<version>/...`; None when the path names no resource.

    `raw_path` is still percent-encoded, so that an encoded slash stays inside its segment.
    """
    raw = raw_path.lstrip("/").split("/")
    match raw:
        case ["api", version, _, *_]:
            group, start = "", 2
        case ["apis", group, version, _, *_]:
            start = 3
        case _:
            return None
    watch = raw[start] == "watch" and len(raw) > start + 1
    start += watch
    namespace = ""
    match raw[start:]:
        case ["namespaces", _, kind, *_] if kind and unquote(kind) not in NAMESPACE_SUBRESOURCES:
            namespace, start = unquote(raw[start + 1]), start + 2
            if not namespace:
                return None
    end = start + 3
    parts = [unquote(segment) for segment in raw[start:end]]
    if parts[-1] == "" and end >= len(raw):
        parts.pop()  # a slash at the end changes nothing
    if not parts or not all(parts):
        return None
    resource, name, subresource = [*parts, "", ""][:3]
    rest = "/" + "/".join(raw[end:]) if len(raw) > end else ""
    return Target(unquote(group), unquote(version), resource, namespace, name, subresource, rest, watch)
