"""Namespaces."""

from collections.abc import Iterator

from master.registry.base import Verb
from master.registry.columns import Column, age
from master.registry.objects import Call
from master.registry.strategy import ALL_VERBS, Strategy, kind
from master.registry.subresources import Part, Status
from master.registry.validation.meta import validate_finalizer
from timonel.api import names
from timonel.api.fields import FieldError, Path
from timonel.api.types import core_v1

FINALIZER = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
ACTIVE = "Active"
TERMINATING = "Terminating"


class Finalize(Part[core_v1.Namespace]):
    """How the namespace controller says that nothing is left inside: it takes its finalizer out of the spec."""

    name = "finalize"
    verbs = frozenset({Verb.UPDATE})

    def prepare(self, new: core_v1.Namespace, old: core_v1.Namespace, call: Call) -> None:
        """Keep the status."""
        new.status = old.status

    def validate(self, new: core_v1.Namespace, old: core_v1.Namespace) -> Iterator[FieldError]:
        """Its finalizers are Kubernetes' own or fully qualified."""
        for index, finalizer in enumerate(new.spec.finalizers):
            yield from validate_finalizer(finalizer, Path("spec.finalizers").index(index))


@kind(core_v1.Namespace, plural="namespaces", short=["ns"], namespaced=False)
class Namespaces(Strategy[core_v1.Namespace]):
    """A namespace goes only when its contents are gone: its spec holds a finalizer from the first moment."""

    verbs = ALL_VERBS - {Verb.DELETECOLLECTION}
    columns = [Column("Status", lambda ns: ns.status.phase), age()]
    selectable = {"status.phase": lambda ns: ns.status.phase, "name": lambda ns: ns.metadata.name or ""}
    subresources = [Status(), Finalize()]
    validate_name = staticmethod(names.label)

    def default(self, obj: core_v1.Namespace, old: core_v1.Namespace | None) -> None:
        """Label it with its name, for selectors."""
        if obj.metadata.name:
            obj.metadata.labels.setdefault(NAME_LABEL, obj.metadata.name)

    def prepare_create(self, obj: core_v1.Namespace, call: Call) -> None:
        """Begin active and held."""
        obj.metadata.labels[NAME_LABEL] = obj.metadata.name or ""
        obj.status = core_v1.NamespaceStatus(phase=ACTIVE)
        if FINALIZER not in obj.spec.finalizers:
            obj.spec.finalizers.append(FINALIZER)

    def prepare_update(self, new: core_v1.Namespace, old: core_v1.Namespace, call: Call) -> None:
        """The spec has nothing but finalizers, which belong to the finalize subresource."""
        new.spec = old.spec

    def prepare_delete(self, obj: core_v1.Namespace) -> None:
        """Say it in the phase. What is emptied first has no grace period, not even of nought."""
        obj.metadata.deletionGracePeriodSeconds = None
        obj.status.phase = TERMINATING

    def held(self, obj: core_v1.Namespace) -> bool:
        """The finalizers of the spec hold it too."""
        return bool(obj.metadata.finalizers or obj.spec.finalizers)

    def validate(self, obj: core_v1.Namespace, old: core_v1.Namespace | None) -> Iterator[FieldError]:
        """Finalizers are Kubernetes' own or fully qualified; here they are not told apart by their index."""
        for finalizer in obj.spec.finalizers if old is None else ():
            yield from validate_finalizer(finalizer, Path("spec.finalizers"))
