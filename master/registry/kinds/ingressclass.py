"""IngressClasses."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import is_domain_path, is_label, unchanged
from master.registry.validation.ingress import validate_resource
from timonel.api.fields import FieldError, Path, forbidden, not_supported, required, too_long
from timonel.api.types import networking_v1

SPEC = Path("spec")
CLUSTER = "Cluster"
NAMESPACE = "Namespace"
LONGEST_CONTROLLER = 250


def _parameters(ingress_class: networking_v1.IngressClass) -> str:
    reference = ingress_class.spec.parameters
    if reference is None:
        return "<none>"
    kind_ = f"{reference.kind}.{reference.apiGroup}" if reference.apiGroup else reference.kind
    return f"{kind_}/{reference.name}"


@kind(networking_v1.IngressClass, plural="ingressclasses", namespaced=False)
class IngressClasses(Strategy[networking_v1.IngressClass]):
    """Who serves the Ingresses that name this class."""

    has_generation = True
    columns = [
        Column("Controller", lambda ingress_class: ingress_class.spec.controller or ""),
        Column("Parameters", _parameters),
        age(),
    ]

    def default(self, obj: networking_v1.IngressClass, old: networking_v1.IngressClass | None) -> None:
        """Parameters are the cluster's."""
        if obj.spec.parameters and obj.spec.parameters.scope is None:
            obj.spec.parameters.scope = CLUSTER

    def validate(self, obj: networking_v1.IngressClass, old: networking_v1.IngressClass | None) -> Iterator[FieldError]:
        """A controller, always the same, and perhaps parameters."""
        controller = obj.spec.controller = obj.spec.controller or ""
        if old:
            yield from unchanged(obj.spec, old.spec, "controller", path=SPEC)
        if len(controller) > LONGEST_CONTROLLER:
            yield too_long(SPEC.child("controller"), LONGEST_CONTROLLER)
        yield from is_domain_path(SPEC.child("controller"), controller)
        if obj.spec.parameters:
            yield from _reference(obj.spec.parameters, SPEC.child("parameters"))


def _reference(reference: networking_v1.IngressClassParametersReference, path: Path) -> Iterator[FieldError]:
    yield from validate_resource(reference, path)
    at = path.child("namespace")
    match reference.scope:
        case "Namespace":
            if reference.namespace is None:
                yield required(at, "`parameters.scope` is set to 'Namespace'")
            else:
                yield from is_label(at, reference.namespace)
        case "Cluster":
            if reference.namespace is not None:
                yield forbidden(at, "`parameters.scope` is set to 'Cluster'")
        case other:
            yield not_supported(path.child("scope"), other, (CLUSTER, NAMESPACE))
