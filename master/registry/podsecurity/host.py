"""Baseline: what reaches the node itself, its namespaces, files and ports."""

from master.registry.podsecurity.base import AnyContainer, Subject, Violation, context_of, names, plural, said, setters
from timonel.api.types import core_v1

HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
PROBES_SINCE = 34


def host_namespaces(pod: Subject, version: int) -> Violation | None:
    """No namespace of the node."""
    bad = [f"{field}=true" for field in HOST_FIELDS if getattr(pod.spec, field)]
    return Violation("host namespaces", ", ".join(bad)) if bad else None


def host_path_volumes(pod: Subject, version: int) -> Violation | None:
    """No files of the node."""
    bad = [volume.name for volume in pod.spec.volumes if volume.hostPath]
    return Violation("hostPath volumes", said(bad, "volume")) if bad else None


def host_ports(pod: Subject, version: int) -> Violation | None:
    """No ports of the node."""
    bad = [container for container in pod.containers if any(port.hostPort for port in container.ports)]
    if not bad:
        return None
    ports = sorted({str(port.hostPort) for container in bad for port in container.ports if port.hostPort})
    uses = plural(len(bad), "uses", "use")
    return Violation(
        "hostPort", f"{said(names(bad), 'container')} {uses} {plural(len(ports), 'hostPort')} {', '.join(ports)}"
    )


def host_probes(pod: Subject, version: int) -> Violation | None:
    """Probes and hooks speak to the pod, not to whom they like: the node sends them."""
    if version < PROBES_SINCE:
        return None
    found = {container.name: bad for container in pod.containers if (bad := _hosts(container))}
    if not found:
        return None
    hosts = sorted(set().union(*found.values()))
    uses = plural(len(found), "uses", "use")
    detail = f"{said(sorted(found), 'container')} {uses} {said(hosts, 'probe or lifecycle host')}"
    return Violation("probe or lifecycle host", detail)


def _hosts(container: AnyContainer) -> set[str]:
    lifecycle = container.lifecycle or core_v1.Lifecycle()
    probes = (container.livenessProbe, container.readinessProbe, container.startupProbe)
    handlers = [handler for handler in (*probes, lifecycle.postStart, lifecycle.preStop) if handler]
    actions = [action for handler in handlers for action in (handler.httpGet, handler.tcpSocket) if action]
    return {action.host for action in actions if action.host}


def windows_host_process(pod: Subject, version: int) -> Violation | None:
    """No Windows container that is a process of the node."""

    def is_one(options: core_v1.WindowsSecurityContextOptions | None) -> bool:
        return options is not None and options.hostProcess is True

    bad = [container for container in pod.containers if is_one(context_of(container).windowsOptions)]
    who = setters(is_one(pod.context.windowsOptions), bad)
    return (
        Violation("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true") if who else None
    )
