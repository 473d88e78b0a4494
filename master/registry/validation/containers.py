"""The rules of containers: names, images, ports, environment, resources, mounts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from master.registry.validation.common import is_given, obeys, one_of
from master.registry.validation.environment import validate_env, validate_env_from, validate_file_volumes
from master.registry.validation.handlers import validate_lifecycle, validate_probes
from master.registry.validation.resources import validate_resources
from master.registry.validation.security import validate_container_security
from master.registry.validation.volumes import validate_devices, validate_mounts
from timonel.api import names
from timonel.api.fields import (
    FieldError,
    Path,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
    too_long,
)
from timonel.api.podresources import is_sidecar
from timonel.api.types import core_v1

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
MOST_RULES = 20
MOST_CODES = 255

AnyContainer = core_v1.Container | core_v1.EphemeralContainer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rules of a container need to know of its pod."""

    volumes: Mapping[str, core_v1.Volume]
    """Those that have no faults."""
    claims: Collection[str]
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
        yield from _running(container, around, at)
        yield from _restart(container, at)
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
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, field)):
            yield from validate_file_volumes(container.env, around.volumes, path.child(field).index(index).child("env"))
    if spec.hostNetwork or any(port.hostPort for container in spec.containers for port in container.ports):
        yield from _host_ports(spec.containers, main)


def _unique(name: str, seen: set[str], path: Path) -> Iterator[FieldError]:
    if name in seen:
        yield duplicate(path.child("name"), name)
    seen.add(name)


def _container(container: AnyContainer, around: Surroundings, path: Path) -> Iterator[FieldError]:
    """What holds for containers of every sort."""
    yield from is_given(path.child("name"), container.name, names.label)
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
        yield from validate_env(container.env, path.child("env"))
    if container.envFrom:
        yield from validate_env_from(container.envFrom, path.child("envFrom"))
    privileged = bool(container.securityContext and container.securityContext.privileged)
    if container.volumeMounts:
        yield from validate_mounts(container, around.volumes, path.child("volumeMounts"), privileged=privileged)
    yield from validate_resources(container.resources, path.child("resources"), around.claims)
    if container.volumeDevices:
        yield from validate_devices(container, around.volumes, path.child("volumeDevices"))
    if container.resizePolicy:
        yield from _resizing(container.resizePolicy, path.child("resizePolicy"))
    if container.securityContext:
        yield from validate_container_security(container.securityContext, path.child("securityContext"))


def _running(container: core_v1.Container, around: Surroundings, path: Path) -> Iterator[FieldError]:
    """What containers that stay running may have."""
    yield from validate_probes(container, path, grace=around.grace)
    if container.lifecycle:
        yield from validate_lifecycle(container.lifecycle, path.child("lifecycle"), grace=around.grace)


def _init(container: core_v1.Container, around: Surroundings, path: Path) -> Iterator[FieldError]:
    """A sidecar may have what main containers have; an init container that ends may not."""
    if is_sidecar(container):
        yield from _running(container, around, path)
        if container.restartPolicyRules:
            why = "restartPolicyRules are not allowed for init containers with restart policy Always"
            yield forbidden(path.child("restartPolicyRules"), why)
        return
    yield from _restart(container, path)
    for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if getattr(container, field) is not None:
            yield forbidden(path.child(field), "may not be set for init containers without restartPolicy=Always")


def _restart(container: core_v1.Container, path: Path) -> Iterator[FieldError]:
    """What of the pod's policy the container has changed for itself."""
    policy, rules, at = container.restartPolicy, container.restartPolicyRules, path.child("restartPolicyRules")
    if policy is None:
        if rules:
            yield required(path.child("restartPolicy"), "must specify restartPolicy when restart rules are used")
        return
    if policy not in RESTART_POLICIES:
        yield not_supported(path.child("restartPolicy"), policy, RESTART_POLICIES)
    if len(rules) > MOST_RULES:
        yield too_long(at, MOST_RULES)
    for index, rule in enumerate(rules):
        if rule.action != "Restart":
            yield not_supported(at.index(index).child("action"), rule.action, ["Restart"])
        codes, here = rule.exitCodes, at.index(index).child("exitCodes")
        if codes is None:
            yield required(here, "must be specified")
            continue
        if codes.operator not in ("In", "NotIn"):
            yield not_supported(here.child("operator"), codes.operator, ("In", "NotIn"))
        if len(codes.values) > MOST_CODES:
            yield too_long(here.child("values"), MOST_CODES)


def _resizing(policies: Sequence[core_v1.ContainerResizePolicy], path: Path) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        if policy.resourceName in seen:
            yield duplicate(path.index(index), policy.resourceName)
        seen.add(policy.resourceName)
        yield from one_of(path, policy.resourceName, ("cpu", "memory"))
        yield from one_of(path, policy.restartPolicy, ("NotRequired", "RestartContainer"))


def _ephemeral(container: core_v1.EphemeralContainer, spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    for field in ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
        if getattr(container, field):
            yield forbidden(path.child(field), "cannot be set for an Ephemeral Container")
    if container.resources.limits or container.resources.requests:
        yield forbidden(path.child("resources"), "cannot be set for an Ephemeral Container")
    targets = {other.name for other in (*spec.containers, *spec.initContainers)}
    if container.targetContainerName and container.targetContainerName not in targets:
        yield not_found(path.child("targetContainerName"), container.targetContainerName)


def _ports(ports: Sequence[core_v1.ContainerPort], path: Path, *, host_network: bool) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = path.index(index)
        if port.name:
            yield from obeys(at.child("name"), port.name, names.port_name)
            if port.name in seen:
                yield duplicate(at.child("name"), port.name)
            seen.add(port.name)
        if port.containerPort == 0:
            yield required(at.child("containerPort"))
        else:
            yield from obeys(at.child("containerPort"), port.containerPort, names.port_number)
        if port.hostPort:
            yield from obeys(at.child("hostPort"), port.hostPort, names.port_number)
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
                wanted = (port.protocol, port.hostIP, port.hostPort)
                if wanted in taken:
                    shown = "/".join(str(part) for part in wanted)
                    yield duplicate(path.index(index).child("ports").index(number).child("hostPort"), shown)
                taken.add(wanted)
