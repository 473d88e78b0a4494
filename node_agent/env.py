"""A container's environment, from its spec and what that refers to, by the kubelet's rules (kubelet_pods).

Pure, but for the files of volumes that a variable may name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from node_agent import env_files
from node_agent.expansion import expand
from node_agent.fieldrefs import FieldError, NodeFacts, field_value, resource_value
from node_agent.pod_spec import find_spec
from node_agent.references import DataKind, MissingReference, References, data_of
from node_agent.runtimes.base import RuntimeFailure
from timonel.api.types import core_v1

CONFIG_ERROR = "CreateContainerConfigError"
API_NAMESPACE, API_SERVICE = "default", "kubernetes"
_RELAXED_NAME = re.compile(r"[ -<>-~]+")


@dataclass(frozen=True, slots=True)
class EnvContext:
    """What values are taken from."""

    pod: core_v1.Pod
    refs: References
    node: NodeFacts
    pod_ips: Sequence[str] = ()
    volumes: Mapping[str, Path] = field(default_factory=dict)


def environment(context: EnvContext, container: core_v1.Container) -> dict[str, str]:
    """All variables, the later definition of a name winning.

    Raises RuntimeFailure(CreateContainerConfigError) when a reference that is not optional is missing.
    """
    result: dict[str, str] = {}
    try:
        for source in container.envFrom:
            result.update(_from_source(context, source))
        services = service_variables(context)
        known = services | result
        for variable in container.env:
            value = _value(context, container, variable, known)
            if value is not None:
                result[variable.name] = known[variable.name] = value
    except (MissingReference, FieldError, env_files.EnvFileError) as error:
        raise RuntimeFailure(CONFIG_ERROR, str(error)) from error
    return services | result


def command_line(parts: Sequence[str], env: Mapping[str, str]) -> list[str] | None:
    """Command or args with variables expanded; None keeps the image's."""
    return [expand(part, env) for part in parts] or None


def service_variables(context: EnvContext) -> dict[str, str]:
    """FOO_SERVICE_HOST and the like for the namespace's Services, and always for the API's, default/kubernetes."""
    result: dict[str, str] = {}
    if context.pod.spec.enableServiceLinks is not False:
        for service in context.refs.services(context.pod.metadata.namespace):
            result.update(_variables_of(service))
    for service in context.refs.services(API_NAMESPACE):
        if service.metadata.name == API_SERVICE:
            result.update(_variables_of(service))
    return result


def _from_source(context: EnvContext, source: core_v1.EnvFromSource) -> dict[str, str]:
    kind: DataKind = "ConfigMap" if source.configMapRef is not None else "Secret"
    ref = source.configMapRef or source.secretRef
    if ref is None:
        return {}
    try:
        data = data_of(context.refs, kind, context.pod.metadata.namespace, ref.name)
    except MissingReference:
        if ref.optional:
            return {}
        raise
    prefix = source.prefix
    named = {prefix + key: value.decode(errors="replace") for key, value in data.items()}
    return {key: value for key, value in named.items() if _RELAXED_NAME.fullmatch(key)}


def _value(
    context: EnvContext, container: core_v1.Container, variable: core_v1.EnvVar, known: Mapping[str, str]
) -> str | None:
    """The variable's value; None when it is optional and absent."""
    source = variable.valueFrom
    if source is None:
        return expand(variable.value, known)
    if source.fieldRef is not None:
        return field_value(context.pod, source.fieldRef.fieldPath, context.pod_ips, context.node)
    if source.resourceFieldRef is not None:
        ref = source.resourceFieldRef
        target = find_spec(context.pod, ref.containerName) if ref.containerName else container
        if target is None:
            raise FieldError(f"container {ref.containerName} not found")
        return resource_value(target, ref.resource, ref.divisor, context.node)
    if source.configMapKeyRef is not None:
        return _key_of(context, "ConfigMap", source.configMapKeyRef)
    if source.secretKeyRef is not None:
        return _key_of(context, "Secret", source.secretKeyRef)
    if source.fileKeyRef is not None:
        return _file_key(context, source.fileKeyRef)
    raise FieldError(f"environment variable {variable.name} has a source that this node does not know")


def _key_of(
    context: EnvContext, kind: DataKind, ref: core_v1.ConfigMapKeySelector | core_v1.SecretKeySelector
) -> str | None:
    namespace, name = context.pod.metadata.namespace, ref.name
    try:
        data = data_of(context.refs, kind, namespace, name)
        if ref.key not in data:
            raise MissingReference(f"couldn't find key {ref.key} in {kind} {namespace}/{name}")
    except MissingReference:
        if ref.optional:
            return None
        raise
    return data[ref.key].decode(errors="replace")


def _file_key(context: EnvContext, ref: core_v1.FileKeySelector) -> str | None:
    volume = context.volumes.get(ref.volumeName)
    try:
        values = env_files.read(volume, ref.path) if volume is not None else {}
    except FileNotFoundError:
        values = {}
    if ref.key not in values and not ref.optional:
        raise MissingReference(f"couldn't find key {ref.key} in file {ref.path} of volume {ref.volumeName}")
    return values.get(ref.key)


def _variables_of(service: core_v1.Service) -> dict[str, str]:
    host = service.spec.clusterIP
    if not host or host == "None" or not service.spec.ports:
        return {}
    prefix = service.metadata.name.upper().replace("-", "_").replace(".", "_")
    ports = [(p.name or "", p.port, p.protocol or "TCP") for p in service.spec.ports]
    return _endpoint_variables(prefix, host, ports)


def _endpoint_variables(prefix: str, host: str, ports: Iterable[tuple[str, int, str]]) -> dict[str, str]:
    """The variables of one service, docker-link style ones included. Source: the kubelet's envvars package."""
    result = {f"{prefix}_SERVICE_HOST": host}
    shown = f"[{host}]" if ":" in host else host
    for position, (name, port, protocol) in enumerate(ports):
        url = f"{protocol.lower()}://{shown}:{port}"
        if position == 0:
            result |= {f"{prefix}_SERVICE_PORT": str(port), f"{prefix}_PORT": url}
        if name:
            result[f"{prefix}_SERVICE_PORT_{name.upper().replace('-', '_')}"] = str(port)
        link = f"{prefix}_PORT_{port}_{protocol.upper()}"
        result |= {link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": str(port), f"{link}_ADDR": host}
    return result
