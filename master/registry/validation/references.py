"""The rules of references to fields and resources of a pod: in variables and in files."""

from collections.abc import Collection, Iterator, Mapping

from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, not_supported, required
from timonel.api.types import core_v1

POD_FIELDS = frozenset(
    {
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.phase",
        "status.podIP",
        "status.podIPs",
    }
)
"""What a reference to a field of the pod may name at all; variables and files take only some of it."""
MAPS = ("metadata.annotations", "metadata.labels")
FIELDS_OF_FILES = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
FIELDS_OF_VARIABLES = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
DIVISORS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("1m", "1"),
    "memory": BYTES,
    "ephemeral-storage": BYTES,
    "hugepages": BYTES,
}
SPOKEN = {"ephemeral-storage": "local ephemeral storage"}
"""The units that a resource may be told in."""


def validate_field_reference(
    reference: core_v1.ObjectFieldSelector, allowed: Collection[str], path: Path
) -> Iterator[FieldError]:
    """A reference to a field of the pod that is among the ``allowed`` ones, or to one label or annotation."""
    at, wanted = path.child("fieldPath"), reference.fieldPath
    if not reference.apiVersion:
        yield required(path.child("apiVersion"))
        return
    if not wanted:
        yield required(at)
        return
    wanted = {"spec.host": "spec.nodeName"}.get(wanted, wanted)
    name, subscript, key = wanted.removesuffix("']").partition("['") if wanted.endswith("']") else (wanted, "", "")
    if reference.apiVersion != "v1":
        yield invalid(at, wanted, f"error converting fieldPath: unsupported pod version: {reference.apiVersion}")
    elif subscript and name not in MAPS:
        yield invalid(at, wanted, f"error converting fieldPath: field label does not support subscript: {wanted}")
    elif subscript:
        for fault in names.qualified(key.lower() if name == "metadata.annotations" else key):
            yield invalid(path, key, fault)
    elif name not in POD_FIELDS:
        yield invalid(at, wanted, f"error converting fieldPath: field label not supported: {wanted}")
    elif name not in allowed:
        yield not_supported(at, wanted, allowed)


def validate_resource_reference(
    reference: core_v1.ResourceFieldSelector, path: Path, *, named: bool
) -> Iterator[FieldError]:
    """A reference to an amount of a container; ``named``: it has to say of which."""
    wanted = reference.resource
    huge = wanted.startswith(("limits.hugepages-", "requests.hugepages-"))
    if named and not reference.containerName:
        yield required(path.child("containerName"))
    elif not wanted:
        yield required(path.child("resource"))
    elif wanted not in RESOURCES and not huge:
        yield not_supported(path.child("resource"), wanted, RESOURCES)
    resource = "hugepages" if huge else wanted.partition(".")[2]
    divisor, divisors = reference.divisor, DIVISORS.get(resource, ())
    if divisor is not None and divisors and divisor.amount.nanos and str(divisor) not in divisors:
        known = (" and " if len(divisors) == 2 else ", ").join(divisors)
        why = f"only divisor's values {known} are supported with the {SPOKEN.get(resource, resource)} resource"
        yield invalid(path.child("divisor"), wanted, why)
