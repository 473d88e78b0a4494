"""The rules of Ingresses (Kubernetes' apis/networking/validation)."""

import ipaddress
import re
from collections.abc import Iterator

from master.registry.validation.common import is_given, is_subdomain, obeys
from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, not_supported, required
from timonel.api.types import core_v1, networking_v1

SPEC = Path("spec")
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
INVALID_PARTS = ("//", "/./", "/../", "%2f", "%2F")
INVALID_ENDS = ("/..", "/.")
_WILDCARD = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character "
    f"(e.g. '*.example.com', regex used for validation is '{_WILDCARD}')"
)


def validate_ingress(spec: networking_v1.IngressSpec) -> Iterator[FieldError]:
    """Rules or a default, hosts and paths that can be asked for, and where they lead."""
    if not spec.rules and spec.defaultBackend is None:
        yield invalid(SPEC, None, "either `defaultBackend` or `rules` must be specified")
    if spec.defaultBackend:
        yield from _backend(spec.defaultBackend, SPEC.child("defaultBackend"))
    for index, rule in enumerate(spec.rules):
        at = SPEC.child("rules").index(index)
        if rule.host:
            yield from _host(rule.host, at.child("host"))
        if rule.http:
            yield from _paths(rule.http, at.child("http", "paths"))
    for index, tls in enumerate(spec.tls):
        at = SPEC.child("tls").index(index)
        for number, host in enumerate(tls.hosts):
            yield from _name(host, at.child("hosts").index(number))
        if tls.secretName:
            yield from is_subdomain(at.child("secretName"), tls.secretName)
    if spec.ingressClassName is not None:
        yield from is_subdomain(SPEC.child("ingressClassName"), spec.ingressClassName)


def _host(host: str, path: Path) -> Iterator[FieldError]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        yield from _name(host, path)
    else:
        yield invalid(path, host, "must be a DNS name, not an IP address")


def _name(host: str, path: Path) -> Iterator[FieldError]:
    if "*" not in host:
        yield from is_subdomain(path, host)
    elif not re.fullmatch(_WILDCARD, host):
        yield invalid(path, host, WILDCARD)


def _paths(value: networking_v1.HTTPIngressRuleValue, path: Path) -> Iterator[FieldError]:
    if not value.paths:
        yield required(path)
    for index, one in enumerate(value.paths):
        at = path.index(index)
        if one.pathType is None:
            yield required(at.child("pathType"), "pathType must be specified")
            continue
        yield from _path(one, at)
        yield from _backend(one.backend, at.child("backend"))


def _path(one: networking_v1.HTTPIngressPath, path: Path) -> Iterator[FieldError]:
    text, at = one.path or "", path.child("path")
    if one.pathType not in PATH_TYPES:
        yield not_supported(path.child("pathType"), one.pathType, PATH_TYPES)
    elif one.pathType == "ImplementationSpecific":
        if text and not text.startswith("/"):
            yield invalid(at, text, "must be an absolute path")
    else:
        if not text.startswith("/"):
            yield invalid(at, text, "must be an absolute path")
        for part in INVALID_PARTS:
            if part in text:
                yield invalid(at, text, f"must not contain '{part}'")
        for end in INVALID_ENDS:
            if text.endswith(end):
                yield invalid(at, text, f"cannot end with '{end}'")


def _backend(backend: networking_v1.IngressBackend, path: Path) -> Iterator[FieldError]:
    if backend.resource and backend.service:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif backend.resource:
        yield from validate_resource(backend.resource, path.child("resource"))
    elif backend.service:
        yield from _service(backend.service, path)
    else:
        yield invalid(path, "", "resource or service backend is required")


def validate_resource(
    reference: core_v1.TypedLocalObjectReference | networking_v1.IngressClassParametersReference, path: Path
) -> Iterator[FieldError]:
    """Of which kind an object is, and its name."""
    if reference.apiGroup is not None:
        yield from is_subdomain(path.child("apiGroup"), reference.apiGroup)
    for field in ("kind", "name"):
        text = getattr(reference, field)
        if not text:
            yield required(path.child(field))
        yield from obeys(path.child(field), text, names.path_segment)


def _service(service: networking_v1.IngressServiceBackend, path: Path) -> Iterator[FieldError]:
    yield from is_given(path.child("service", "name"), service.name, names.label_1035)
    port = service.port
    if port.name and port.number:
        yield invalid(path, "", "cannot set both port name & port number")
    elif port.name:
        yield from obeys(path.child("service", "port", "name"), port.name, names.port_name)
    elif port.number:
        yield from obeys(path.child("service", "port", "number"), port.number, names.port_number)
    else:
        yield required(path, "port name or number is required")
