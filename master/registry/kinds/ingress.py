"""Ingresses."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.validation.common import is_subdomain
from master.registry.validation.ingress import validate_ingress
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.types import networking_v1

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
SHOWN = 3


def _hosts(ingress: networking_v1.Ingress) -> str:
    hosts = [rule.host for rule in ingress.spec.rules if rule.host]
    if not hosts:
        return "*"
    more = f" + {len(hosts) - SHOWN} more..." if len(hosts) > SHOWN else ""
    return ",".join(hosts[:SHOWN]) + more


def _address(ingress: networking_v1.Ingress) -> str:
    return ",".join(point.ip or point.hostname for point in ingress.status.loadBalancer.ingress)


@kind(networking_v1.Ingress, plural="ingresses", short=["ing"])
class Ingresses(Strategy[networking_v1.Ingress]):
    """Which services answer to which hosts and paths from outside."""

    has_generation = True
    columns = [
        Column("Class", lambda ingress: ingress.spec.ingressClassName or "<none>"),
        Column("Hosts", _hosts),
        Column("Address", _address),
        Column("Ports", lambda ingress: "80, 443" if ingress.spec.tls else "80"),
        age(),
    ]
    subresources = [Status()]

    def prepare_create(self, obj: networking_v1.Ingress, call: object) -> None:
        """Nobody serves it yet."""
        obj.status = networking_v1.IngressStatus()

    def validate(self, obj: networking_v1.Ingress, old: networking_v1.Ingress | None) -> Iterator[FieldError]:
        """See `validation.ingress`; the class is said in one way."""
        yield from validate_ingress(obj.spec)
        annotated = obj.metadata.annotations.get(CLASS_ANNOTATION)
        named = obj.spec.ingressClassName
        if old is None and annotated is not None and named is not None and annotated != named:
            why = "must match `ingressClassName` when both are specified"
            yield invalid(Path("annotations").child(CLASS_ANNOTATION), annotated, why)

    def validate_status(self, new: networking_v1.Ingress, old: networking_v1.Ingress) -> Iterator[FieldError]:
        """Points of entry have names or addresses."""
        for index, point in enumerate(new.status.loadBalancer.ingress):
            if point.hostname:
                at = Path("status.loadBalancer.ingress").index(index).child("hostname")
                yield from is_subdomain(at, point.hostname)
