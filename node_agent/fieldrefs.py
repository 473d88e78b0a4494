"""The values that fieldRef and resourceFieldRef name. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node_agent.resources import limit, request
from timonel.api.podresources import amount
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What pods may learn of their node: name, addresses, and what limits default to (cpu in thousandths)."""

    name: str
    addresses: Sequence[str]
    allocatable: Mapping[str, int]


class FieldError(ValueError):
    """A reference that names nothing that exists."""


def field_value(pod: core_v1.Pod, path: str, pod_ips: Sequence[str], node: NodeFacts) -> str:
    """What ``fieldPath`` means for this pod. Raises FieldError when it is not a supported path."""
    meta, spec = pod.metadata, pod.spec
    if match := _SUBSCRIPT.fullmatch(path):
        return (meta.labels if match[1] == "labels" else meta.annotations).get(match[2], "")
    match path:
        case "metadata.name":
            return meta.name
        case "metadata.namespace":
            return meta.namespace
        case "metadata.uid":
            return meta.uid
        case "metadata.labels":
            return format_map(meta.labels)
        case "metadata.annotations":
            return format_map(meta.annotations)
        case "spec.nodeName":
            return spec.nodeName or node.name
        case "spec.serviceAccountName":
            return spec.serviceAccountName
        case "status.hostIP":
            return node.addresses[0] if node.addresses else ""
        case "status.hostIPs":
            return ",".join(node.addresses)
        case "status.podIP":
            return pod_ips[0] if pod_ips else ""
        case "status.podIPs":
            return ",".join(pod_ips)
        case _:
            raise FieldError(f"unsupported fieldPath: {path}")


def format_map(values: Mapping[str, str]) -> str:
    """Labels or annotations as the downward API writes them: ``key="value"`` lines, sorted, quoted as Go quotes."""
    return "\n".join(f"{key}={_go_quote(values[key])}" for key in sorted(values))


def resource_value(container: core_v1.Container, resource: str, divisor: str | None, node: NodeFacts) -> str:
    """The container's limit or request divided by the divisor, rounded up; an absent limit is the node's allocatable.

    Raises FieldError for a resource that cannot be referred to.
    """
    kind, _, name = resource.partition(".")
    if kind not in ("limits", "requests") or not _is_allowed(name):
        raise FieldError(f"unsupported container resource: {resource}")
    found = limit(container, name) if kind == "limits" else request(container, name)
    if not found:
        found = node.allocatable.get(name, 0) if kind == "limits" else 0
    unit = amount(name, Quantity(divisor)) if divisor not in (None, "", "0") else _default_unit(name)
    return str(-(-found // unit)) if unit else "0"


def _is_allowed(name: str) -> bool:
    return name in ("cpu", "memory", "ephemeral-storage") or name.startswith("hugepages-")


def _default_unit(name: str) -> int:
    return 1000 if name == "cpu" else 1


def _go_quote(text: str) -> str:
    escapes = {
        '"': '\\"',
        "\\": "\\\\",
        "\n": "\\n",
        "\t": "\\t",
        "\r": "\\r",
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\v": "\\v",
    }
    return '"' + "".join(escapes.get(c, c if c.isprintable() else _go_escape(c)) for c in text) + '"'


def _go_escape(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
