"""The names of resources that can be counted, and where each of them may stand."""

from collections.abc import Collection, Iterator

from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid

COUNTS = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
OF_CONTAINERS = frozenset({"cpu", "memory", "ephemeral-storage"})
POD_AMOUNTS = OF_CONTAINERS | {f"{part}.{name}" for part in ("requests", "limits") for name in OF_CONTAINERS}
OF_QUOTAS = COUNTS | POD_AMOUNTS | {"requests.storage"}
STANDARD = OF_QUOTAS | {"storage"}


def validate_resource_name(name: str, path: Path) -> Iterator[FieldError]:
    """A resource that Kubernetes knows, or one of somebody's domain."""
    faults = names.qualified(name)
    for fault in faults:
        yield invalid(path, name, fault)
    if not faults and not _is_known(name, STANDARD):
        yield invalid(path, name, "must be a standard resource type or fully qualified")


def validate_resource_of(user: str, known: Collection[str], name: str, path: Path) -> Iterator[FieldError]:
    """A resource that what is named ``user`` knows."""
    yield from validate_resource_name(name, path)
    if not _is_known(name, known):
        yield invalid(path, name, f"must be a standard resource for {user}")


def _is_known(name: str, known: Collection[str]) -> bool:
    return "/" in name or name in known or name.startswith(("hugepages-", "requests.hugepages-"))
