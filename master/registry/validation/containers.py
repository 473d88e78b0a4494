"""The rules of containers: names, images, ports, environment, resources, mounts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from master.registry.validation.common import is_label, not_negative, one_of
from master.registry.validation.handlers import validate_lifecycle, validate_probes
from master.registry.validation.resourcenames import OF_CONTAINERS, validate_resource_of
from master.registry.validation.volumes import validate_mounts
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_found, not_supported, required
from timonel.api.podresources import is_sidecar
from timonel.api.quantity import Quantity
from timonel.api.types import core_v1

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
POD_FIELDS = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "metadata.annotations",
        "metadata.labels",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.hostIP",
        "status.hostIPs",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIP",
        "status.podIPs",
    }
)
"""What a reference to a field of the pod may name at all; a variable, only some of it."""
ENV_FIELDS = (
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
ENV_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)

AnyContainer = core_v1.Container | core_v1.EphemeralContainer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules of a container need to know of its pod."""

    volumes: Collection[str]
    grace: int | None
    host_network: bool


def validate_containers(spec: core_v1.PodSpec, around: Surroundings, path: Path) -> Iterator[FieldError]:
    """Containers, init containers and ephemeral containers; all names differ."""
    main = path.child("containers")
    if not spec.containers:
        yield required(main)
    seen: set[str] = set()
    for index, container in enumerate(spec.containers):
        at = main.index(index)
        yield from _unique(container.name, seen, at)
        yield from _container(container, around, at)
        if container.restartPolicy and not container.restartPolicyRules:
            yield from one_of(at.child("restartPolicy"), container.restartPolicy, ("Always", "Never", "OnFailure"))
        yield from _running(container, around, at)
    for index, container in enumerate(spec.initContainers):
        at = path.child("initContainers").index(index)
        yield from _unique(container.name, seen, at)
        yield from _container(container, around, at)
        yield from _init(container, around, at)
    for index, debugger in enumerate(spec.ephemeralContainers):
        at = path.child("ephemeralContainers").index(index)
        yield from _unique(debugger.name, seen, at)
        yield from _container(debugger, around, at)
        yield from _ephemeral(debugger, spec, at)
    if spec.hostNetwork or any(port.hostPort for container in spec.containers for port in container.ports):
        yield from _host_ports(spec.containers, main)


def _unique(name: str, seen: set[str], path: Path) -> Iterator[FieldError]:
    if name in seen:
        yield duplicate(path.child("name"), name)
    seen.add(name)


def _container(container: AnyContainer, around: Surroundings, path: Path) -> Iterator[FieldError]:
    """What holds for containers of every sort."""
    if not container.name:
        yield required(path.child("name"))
    else:
        yield from is_label(path.child("name"), container.name)
    image = container.image or ""
    if not image:
        yield required(path.child("image"))
    elif image.strip() != image:
        yield invalid(path.child("image"), image, "must not have leading or trailing whitespace")
    yield from one_of(path.child("imagePullPolicy"), container.imagePullPolicy, PULL_POLICIES)
    yield from one_of(path.child("terminationMessagePolicy"), container.terminationMessagePolicy, MESSAGE_POLICIES)
    if container.ports:
        yield from _ports(container.ports, path.child("ports"), host_network=around.host_network)
    if container.env:
        yield from _env(container.env, path.child("env"))
    if container.envFrom:
        yield from _env_from(container.envFrom, path.child("envFrom"))
    privileged = bool(container.securityContext and container.securityContext.privileged)
    if container.volumeMounts:
        yield from validate_mounts(
            container.volumeMounts, around.volumes, path.child("volumeMounts"), privileged=privileged
        )
    if container.resources:
        yield from validate_resources(container.resources, path.child("resources"))
    for resize in container.resizePolicy:
        yield from one_of(path.child("resizePolicy"), resize.resourceName, ("cpu", "memory"))
        yield from one_of(path.child("resizePolicy"), resize.restartPolicy, ("NotRequired", "RestartContainer"))
    if container.securityContext:
        yield from _security(container.securityContext, path.child("securityContext"))


def _running(container: core_v1.Container, around: Surroundings, path: Path) -> Iterator[FieldError]:
    """What containers that stay running may have."""
    yield from validate_probes(container, path, grace=around.grace)
    if container.lifecycle:
        yield from validate_lifecycle(container.lifecycle, path.child("lifecycle"), grace=around.grace)


def _init(container: core_v1.Container, around: Surroundings, path: Path) -> Iterator[FieldError]:
    """A sidecar may have what main containers have; an init container that ends may not."""
    if is_sidecar(container):
        yield from _running(container, around, path)
        return
    if container.restartPolicy and not container.restartPolicyRules:
        yield not_supported(path.child("restartPolicy"), container.restartPolicy, ["Always"])
    for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if getattr(container, field) is not None:
            yield forbidden(path.child(field), "may not be set for init containers without restartPolicy=Always")


def _ephemeral(container: core_v1.EphemeralContainer, spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    for field in ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
        if getattr(container, field):
            yield forbidden(path.child(field), "cannot be set for an Ephemeral Container")
    resources = container.resources
    if resources and (resources.limits or resources.requests):
        yield forbidden(path.child("resources"), "cannot be set for an Ephemeral Container")
    targets = {other.name for other in (*spec.containers, *spec.initContainers)}
    if container.targetContainerName and container.targetContainerName not in targets:
        yield not_found(path.child("targetContainerName"), container.targetContainerName)


def _ports(ports: Sequence[core_v1.ContainerPort], path: Path, *, host_network: bool) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        if port.name:
            for fault in names.port_name(port.name):
                yield invalid(at.child("name"), port.name, fault)
            if port.name in seen:
                yield duplicate(at.child("name"), port.name)
            seen.add(port.name)
        if port.containerPort == 0:
            yield required(at.child("containerPort"))
        else:
            for fault in names.port_number(port.containerPort):
                yield invalid(at.child("containerPort"), port.containerPort, fault)
        if port.hostPort:
            for fault in names.port_number(port.hostPort):
                yield invalid(at.child("hostPort"), port.hostPort, fault)
            if host_network and port.hostPort != port.containerPort:
                yield invalid(
                    at.child("hostPort"), port.hostPort, "must match `containerPort` when `hostNetwork` is true"
                )
        yield from one_of(at.child("protocol"), port.protocol, PROTOCOLS)


def _host_ports(containers: Sequence[core_v1.Container], path: Path) -> Iterator[FieldError]:
    """No two containers want the same port of the host."""
    taken: set[tuple[str | None, str, int]] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.ports):
            if port.hostPort:
                wanted = (port.protocol, port.hostIP or "", port.hostPort)
                if wanted in taken:
                    shown = "/".join(str(part) for part in wanted)
                    yield duplicate(path.index(index).child("ports").index(number).child("hostPort"), shown)
                taken.add(wanted)


def _env(variables: Sequence[core_v1.EnvVar], path: Path) -> Iterator[FieldError]:
    for index, variable in enumerate(variables):
        at = path.index(index)
        if not variable.name:
            yield required(at.child("name"))
        else:
            for fault in names.env_var(variable.name):
                yield invalid(at.child("name"), variable.name, fault)
        if variable.valueFrom:
            yield from _value_from(variable, variable.valueFrom, at.child("valueFrom"))


def _value_from(variable: core_v1.EnvVar, source: core_v1.EnvVarSource, path: Path) -> Iterator[FieldError]:
    given = [name for name in source.__struct_fields__ if getattr(source, name) is not None]
    if not given:
        kinds = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield invalid(path, "", f"must specify one of: {kinds}")
    if variable.value and given:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")
    if source.fieldRef:
        yield from _env_field(source.fieldRef, path.child("fieldRef"))
    if source.resourceFieldRef:
        yield from _env_resource(source.resourceFieldRef, path.child("resourceFieldRef"))
    for name in ("configMapKeyRef", "secretKeyRef"):
        reference: core_v1.ConfigMapKeySelector | core_v1.SecretKeySelector | None = getattr(source, name)
        if reference:
            at = path.child(name)
            if not reference.name:
                yield required(at.child("name"))
            if not reference.key:
                yield required(at.child("key"))
            else:
                for fault in names.config_key(reference.key):
                    yield invalid(at.child("key"), reference.key, fault)


def _env_field(reference: core_v1.ObjectFieldSelector, path: Path) -> Iterator[FieldError]:
    if not reference.apiVersion:
        yield required(path.child("apiVersion"))
    if not reference.fieldPath:
        yield required(path.child("fieldPath"))
        return
    name, _, rest = reference.fieldPath.partition("['")
    if rest:
        key = rest.removesuffix("']")
        if name not in ("metadata.annotations", "metadata.labels"):
            yield invalid(path.child("fieldPath"), reference.fieldPath, "does not support subscript")
        for fault in names.qualified(key.lower() if name == "metadata.annotations" else key):
            yield invalid(path, key, fault)
    elif reference.fieldPath not in POD_FIELDS:
        why = f"error converting fieldPath: field label not supported: {reference.fieldPath}"
        yield invalid(path.child("fieldPath"), reference.fieldPath, why)
    elif reference.fieldPath not in ENV_FIELDS:
        yield not_supported(path.child("fieldPath"), reference.fieldPath, sorted(ENV_FIELDS))


def _env_resource(reference: core_v1.ResourceFieldSelector, path: Path) -> Iterator[FieldError]:
    if not reference.resource:
        yield required(path.child("resource"))
    elif reference.resource not in ENV_RESOURCES and ".hugepages-" not in reference.resource:
        yield not_supported(path.child("resource"), reference.resource, sorted(ENV_RESOURCES))


def _env_from(sources: Sequence[core_v1.EnvFromSource], path: Path) -> Iterator[FieldError]:
    for index, source in enumerate(sources):
        at = path.index(index)
        if source.prefix:
            for fault in names.env_var(source.prefix):
                yield invalid(at.child("prefix"), source.prefix, fault)
        given = [name for name in ("configMapRef", "secretRef") if getattr(source, name)]
        if not given:
            yield invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
        if len(given) > 1:
            yield invalid(at, "", "may not have more than one field specified at a time")
        for name in given:
            if not getattr(source, name).name:
                yield required(at.child(name).child("name"))


def validate_resources(resources: core_v1.ResourceRequirements, path: Path) -> Iterator[FieldError]:
    """Limits and requests: known resources, amounts that are not negative, no request above its limit."""
    for name, limit in resources.limits.items():
        yield from _resource(name, limit, path.child("limits"))
    for name, request in resources.requests.items():
        yield from _resource(name, request, path.child("requests"))
        cap = resources.limits.get(name)
        if cap is None:
            continue
        if "/" in name or name.startswith("hugepages-"):
            if request.compare(cap) != 0:
                yield invalid(path.child("requests"), request, f"must be equal to {name} limit of {cap}")
        elif request.compare(cap) > 0:
            yield invalid(path.child("requests"), request, f"must be less than or equal to {name} limit of {cap}")


def _resource(name: str, amount: Quantity, path: Path) -> Iterator[FieldError]:
    at = path.key(name)
    yield from validate_resource_of("containers", OF_CONTAINERS, name, at)
    nanos = amount.amount.nanos
    if nanos < 0:
        yield invalid(at, amount, "must be greater than or equal to 0")
    if "/" in name and nanos % 10**9:
        yield invalid(at, amount, "must be an integer")


def _security(context: core_v1.SecurityContext, path: Path) -> Iterator[FieldError]:
    yield from not_negative(path.child("runAsUser"), context.runAsUser)
    yield from not_negative(path.child("runAsGroup"), context.runAsGroup)
    if context.allowPrivilegeEscalation is False:
        if context.privileged:
            yield invalid(path, {}, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        if context.capabilities and "SYS_ADMIN" in context.capabilities.add:
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(path, {}, why)
    if context.seccompProfile:
        yield from validate_seccomp(context.seccompProfile, path.child("seccompProfile"))


def validate_seccomp(profile: core_v1.SeccompProfile, path: Path) -> Iterator[FieldError]:
    """A profile by its type; a local one by its path too."""
    yield from one_of(path.child("type"), profile.type, ("Localhost", "RuntimeDefault", "Unconfined"))
    if profile.type == "Localhost" and not profile.localhostProfile:
        yield required(path.child("localhostProfile"), "must be set when seccomp type is Localhost")
    if profile.type != "Localhost" and profile.localhostProfile:
        why = "can only be set when seccomp type is Localhost"
        yield invalid(path.child("localhostProfile"), profile.localhostProfile, why)


def validate_totals(amounts: Mapping[str, Quantity], path: Path) -> Iterator[FieldError]:
    """A list of resource amounts, as overhead is."""
    for name, amount in amounts.items():
        yield from _resource(name, amount, path)
