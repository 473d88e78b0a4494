"""APIServices."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.objects import Call
from master.registry.strategy import Strategy, kind
from master.registry.subresources import StatusAlone
from master.registry.validation.common import obeys
from timonel.api import names
from timonel.api.fields import FieldError, Path, invalid, required
from timonel.api.types import apiregistration_v1

SPEC = Path("spec")
HTTPS_PORT = 443
MAX_GROUP_PRIORITY = 20_000
MAX_VERSION_PRIORITY = 1000
AVAILABLE = "Available"


def _service(api: apiregistration_v1.APIService) -> str:
    service = api.spec.service
    return f"{service.namespace}/{service.name}" if service else "Local"


def _available(api: apiregistration_v1.APIService) -> str:
    found = next((condition for condition in api.status.conditions if condition.type == AVAILABLE), None)
    if found is None:
        return "Unknown"
    return found.status if found.status == "True" else f"{found.status} ({found.reason or ''})"


@kind(apiregistration_v1.APIService, plural="apiservices", namespaced=False, categories=["api-extensions"])
class APIServices(Strategy[apiregistration_v1.APIService]):
    """Who serves a version of a group: this server, or another behind a service."""

    unconditional_update = False
    columns = [Column("Service", _service), Column("Available", _available), age()]
    subresources = [StatusAlone()]
    validate_name = staticmethod(names.path_segment)  # that of the core group's ends with a dot

    def default(self, obj: apiregistration_v1.APIService, old: apiregistration_v1.APIService | None) -> None:
        """Servers listen where HTTPS is."""
        if obj.spec.service and obj.spec.service.port is None:
            obj.spec.service.port = HTTPS_PORT

    def prepare_create(self, obj: apiregistration_v1.APIService, call: Call) -> None:
        """This server itself is there from the first."""
        obj.status = apiregistration_v1.APIServiceStatus()
        if obj.spec.service is None:
            local = apiregistration_v1.APIServiceCondition(
                type=AVAILABLE,
                status="True",
                reason="Local",
                message="Local APIServices are always available",
                lastTransitionTime=call.now,
            )
            obj.status.conditions = [local]

    def validate(
        self, obj: apiregistration_v1.APIService, old: apiregistration_v1.APIService | None
    ) -> Iterator[FieldError]:
        """Named after its version and group, with priorities in their ranges."""
        spec, name = obj.spec, obj.metadata.name or ""
        wanted = f"{spec.version or ''}.{spec.group or ''}"
        if name and name != wanted:
            yield invalid(Path("metadata.name"), name, f'must be `spec.version+"."+spec.group`: "{wanted}"')
        if not spec.group and spec.version != "v1":
            yield required(SPEC.child("group"), "only v1 may have an empty group and it better be legacy kube")
        for fault in names.subdomain(spec.group) if spec.group else ():
            yield invalid(SPEC.child("group"), spec.group, fault)
        yield from obeys(SPEC.child("version"), spec.version or "", names.label_1035)
        priorities = (("groupPriorityMinimum", MAX_GROUP_PRIORITY), ("versionPriority", MAX_VERSION_PRIORITY))
        for field, most in priorities:
            value = getattr(spec, field)
            if not 0 < value <= most:
                yield invalid(SPEC.child(field), value, f"must be positive and less than {most}")
        yield from _server(spec)


def _server(spec: apiregistration_v1.APIServiceSpec) -> Iterator[FieldError]:
    service, insecure = spec.service, SPEC.child("insecureSkipTLSVerify")
    if service is None:
        if spec.caBundle:
            size = f"{len(spec.caBundle) * 3 // 4} bytes"
            yield invalid(SPEC.child("caBundle"), size, "local APIServices may not have a caBundle")
        if spec.insecureSkipTLSVerify:
            yield invalid(insecure, True, "local APIServices may not have insecureSkipTLSVerify")
        return
    for field in ("namespace", "name"):
        if not getattr(service, field):
            yield required(SPEC.child("service", field))
    for fault in names.port_number(service.port or 0):
        yield invalid(SPEC.child("service", "port"), service.port, f"port is not valid: {fault}")
    if spec.insecureSkipTLSVerify and spec.caBundle:
        yield invalid(insecure, True, "may not be true if caBundle is present")
