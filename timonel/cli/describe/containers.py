"""Describes containers, as pods and pod templates have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from timonel.api.quantity import Quantity
from timonel.api.types import core_v1
from timonel.cli.describe.page import NONE, Page, moment

Container = core_v1.Container | core_v1.EphemeralContainer


def containers(
    page: Page,
    level: int,
    title: str,
    specs: Sequence[Container],
    statuses: Sequence[core_v1.ContainerStatus] | None = None,
) -> None:
    """A list of containers; of those that run, with their state."""
    known = {status.name: status for status in statuses or ()}
    page.line(level, f"{title}:")
    for spec in specs:
        page.line(level + 1, f"{spec.name}:")
        _container(page, level + 2, spec, known.get(spec.name))


def _container(page: Page, level: int, spec: Container, status: core_v1.ContainerStatus | None) -> None:
    if status:
        page.field(level, "Container ID", status.containerID)
    page.field(level, "Image", spec.image)
    if status:
        page.field(level, "Image ID", status.imageID)
    ports = [f"{port.containerPort}/{port.protocol or 'TCP'}" for port in spec.ports]
    host_ports = [f"{port.hostPort}/{port.protocol or 'TCP'}" for port in spec.ports]
    page.field(level, "Ports" if len(ports) > 1 else "Port", ", ".join(ports) or NONE)
    page.field(level, "Host Ports" if len(ports) > 1 else "Host Port", ", ".join(host_ports) or NONE)
    _words(page, level, "Command", spec.command)
    _words(page, level, "Args", spec.args)
    if status:
        _state(page, level, "State", status.state)
        if status.lastState.running or status.lastState.terminated:
            _state(page, level, "Last State", status.lastState)
        page.field(level, "Ready", status.ready)
        page.field(level, "Restart Count", status.restartCount)
    _resources(page, level, spec.resources)
    probes = {"Liveness": spec.livenessProbe, "Readiness": spec.readinessProbe, "Startup": spec.startupProbe}
    for name, probe in probes.items():
        if probe:
            page.field(level, name, probe_text(probe))
    _environment(page, level, spec)
    page.line(level, "Mounts:" if spec.volumeMounts else f"Mounts:\t{NONE}")
    for mount in sorted(spec.volumeMounts, key=lambda mount: mount.mountPath):
        flags = "ro" if mount.readOnly else "rw"
        path = f',path="{mount.subPath}"' if mount.subPath else ""
        page.line(level + 1, f"{mount.mountPath} from {mount.name} ({flags}{path})")


def _words(page: Page, level: int, title: str, words: Sequence[str]) -> None:
    if words:
        page.line(level, f"{title}:")
        for word in words:
            for line in word.split("\n"):
                page.line(level + 1, line.replace("\t", "    "))


def _state(page: Page, level: int, title: str, state: core_v1.ContainerState | None) -> None:
    if state and state.running:
        page.field(level, title, "Running")
        page.field(level + 1, "Started", moment(state.running.startedAt))
    elif state and state.terminated:
        ended = state.terminated
        page.field(level, title, "Terminated")
        page.fields(level + 1, [("Reason", ended.reason), ("Message", ended.message)])
        page.field(level + 1, "Exit Code", ended.exitCode)
        page.fields(level + 1, [("Signal", ended.signal)])
        page.field(level + 1, "Started", moment(ended.startedAt))
        page.field(level + 1, "Finished", moment(ended.finishedAt))
    else:
        waiting = state.waiting if state else None
        page.field(level, title, "Waiting")
        if waiting:
            page.fields(level + 1, [("Reason", waiting.reason), ("Message", waiting.message)])


def _resources(page: Page, level: int, resources: core_v1.ResourceRequirements | None) -> None:
    for title, amounts in (("Limits", resources.limits), ("Requests", resources.requests)) if resources else ():
        quantities(page, level, title, amounts)


def quantities(page: Page, level: int, title: str, amounts: Mapping[str, Quantity]) -> None:
    """Amounts of resources, one a line."""
    if amounts:
        page.line(level, f"{title}:")
        for name, amount in sorted(amounts.items()):
            page.field(level + 1, name, amount)


def probe_text(probe: core_v1.Probe) -> str:
    """A probe in one line."""
    times = f"delay={probe.initialDelaySeconds}s timeout={probe.timeoutSeconds or 1}s"
    times += f" period={probe.periodSeconds or 10}s"
    counts = f"#success={probe.successThreshold or 1} #failure={probe.failureThreshold or 3}"
    return f"{_handler(probe)} {times} {counts}"


def _handler(probe: core_v1.Probe) -> str:
    if probe.exec:
        return f"exec [{' '.join(probe.exec.command)}]"
    if probe.httpGet:
        get = probe.httpGet
        return f"http-get {(get.scheme or 'HTTP').lower()}://{get.host or ''}:{get.port}{get.path or ''}"
    if probe.tcpSocket:
        return f"tcp-socket {probe.tcpSocket.host or ''}:{probe.tcpSocket.port}"
    if probe.grpc:
        return f"grpc <pod>:{probe.grpc.port} {probe.grpc.service or ''}".rstrip()
    return "unknown"


def _environment(page: Page, level: int, spec: Container) -> None:
    if spec.envFrom:
        page.line(level, "Environment Variables from:")
        for source in spec.envFrom:
            kind, ref = ("ConfigMap", source.configMapRef) if source.configMapRef else ("Secret", source.secretRef)
            if ref:
                prefix = f" with prefix {source.prefix!r}" if source.prefix else ""
                page.line(level + 1, f"{ref.name}\t{kind}{prefix}\tOptional: {str(bool(ref.optional)).lower()}")
    page.line(level, "Environment:" if spec.env else f"Environment:\t{NONE}")
    for variable in spec.env:
        page.field(level + 1, variable.name, _value(variable))


def _value(variable: core_v1.EnvVar) -> str:
    source = variable.valueFrom
    if source is None:
        return variable.value
    if source.fieldRef:
        return f" ({source.fieldRef.apiVersion or 'v1'}:{source.fieldRef.fieldPath})"
    if source.resourceFieldRef:
        return f"{source.resourceFieldRef.containerName or ''} ({source.resourceFieldRef.resource})"
    for kind, ref in (("secret", source.secretKeyRef), ("config map", source.configMapKeyRef)):
        if ref:
            return f"<set to the key '{ref.key}' in {kind} '{ref.name}'>\tOptional: {str(bool(ref.optional)).lower()}"
    return ""
