"""The rules of probes and lifecycle hooks."""

import re
from collections.abc import Iterator

from master.registry.validation.common import not_negative, obeys, one_of
from timonel.api import names
from timonel.api.fields import FieldError, Path, forbidden, invalid, required
from timonel.api.intstr import IntOrString
from timonel.api.types import core_v1

AnyContainer = core_v1.Container | core_v1.EphemeralContainer

_HEADER = re.compile(r"[-A-Za-z0-9]+")
HEADER_NAME = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name'"


def validate_probes(container: core_v1.Container, path: Path, *, grace: int | None) -> Iterator[FieldError]:
    """A container's probes."""
    if container.livenessProbe:
        at = path.child("livenessProbe")
        yield from validate_probe(container.livenessProbe, at, grace)
        if container.livenessProbe.successThreshold not in (0, 1):
            yield invalid(at.child("successThreshold"), container.livenessProbe.successThreshold, "must be 1")
    if container.readinessProbe:
        at = path.child("readinessProbe")
        yield from validate_probe(container.readinessProbe, at, grace)
        if container.readinessProbe.terminationGracePeriodSeconds is not None:
            value = container.readinessProbe.terminationGracePeriodSeconds
            yield invalid(at.child("terminationGracePeriodSeconds"), value, "must not be set for readinessProbes")
    if container.startupProbe:
        at = path.child("startupProbe")
        yield from validate_probe(container.startupProbe, at, grace)
        if container.startupProbe.successThreshold not in (0, 1):
            yield invalid(at.child("successThreshold"), container.startupProbe.successThreshold, "must be 1")


def validate_probe(probe: core_v1.Probe, path: Path, grace: int | None) -> Iterator[FieldError]:
    """One probe: one way to ask, times that are not negative."""
    yield from _one_handler(probe, path, ("exec", "httpGet", "tcpSocket", "grpc"))
    for field in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        yield from not_negative(path.child(field), getattr(probe, field))
    seconds = probe.terminationGracePeriodSeconds
    if seconds is not None and seconds <= 0:
        yield invalid(path.child("terminationGracePeriodSeconds"), seconds, "must be greater than 0")


def validate_lifecycle(lifecycle: core_v1.Lifecycle, path: Path, *, grace: int | None) -> Iterator[FieldError]:
    """A container's hooks."""
    for name, hook in (("postStart", lifecycle.postStart), ("preStop", lifecycle.preStop)):
        if hook:
            at = path.child(name)
            yield from _one_handler(hook, at, ("exec", "httpGet", "tcpSocket", "sleep"))
            if hook.sleep and not 0 <= hook.sleep.seconds <= (grace if grace is not None else hook.sleep.seconds):
                why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                yield invalid(at.child("sleep"), hook.sleep.seconds, why)


def _one_handler(
    handler: core_v1.Probe | core_v1.LifecycleHandler, path: Path, kinds: tuple[str, ...]
) -> Iterator[FieldError]:
    given = [kind for kind in kinds if getattr(handler, kind) is not None]
    if not given:
        yield required(path, "must specify a handler type")
        return
    for extra in given[1:]:
        yield forbidden(path.child(extra), "may not specify more than 1 handler type")
    yield from _handler(getattr(handler, given[0]), path.child(given[0]))


def _handler(
    action: core_v1.ExecAction
    | core_v1.HTTPGetAction
    | core_v1.TCPSocketAction
    | core_v1.GRPCAction
    | core_v1.SleepAction,
    path: Path,
) -> Iterator[FieldError]:
    match action:
        case core_v1.ExecAction():
            if not action.command:
                yield required(path.child("command"))
        case core_v1.HTTPGetAction():
            if not action.path:
                yield required(path.child("path"))
            yield from port_reference(action.port, path.child("port"))
            yield from one_of(path.child("scheme"), action.scheme, ("HTTP", "HTTPS"))
            for header in action.httpHeaders:
                if not _HEADER.fullmatch(header.name):
                    rule = f"{HEADER_NAME}, regex used for validation is '[-A-Za-z0-9]+')"
                    yield invalid(path.child("httpHeaders"), header.name, rule)
        case core_v1.TCPSocketAction():
            yield from port_reference(action.port, path.child("port"))
        case core_v1.GRPCAction():
            yield from obeys(path.child("port"), action.port, names.port_number)


def port_reference(port: IntOrString, path: Path) -> Iterator[FieldError]:
    """A port by its number or name."""
    faults = names.port_number(port) if isinstance(port, int) else names.port_name(port)
    for fault in faults:
        yield invalid(path, port, fault)
