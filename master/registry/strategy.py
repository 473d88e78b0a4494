"""What a kind may say about itself. Everything that is the same for all kinds is done elsewhere, once.

A kind is one module in ``kinds/`` with one class::

    @kind(core_v1.ConfigMap, plural="configmaps", short=["cm"])
    class ConfigMaps(Strategy[core_v1.ConfigMap]):
        columns = [...]
        def validate(self, obj, old): ...

Every hook works on Structs of its own: it may change ``new`` freely; ``old`` comes from a cache and is read-only.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from master.registry.base import DeleteOptions, Resource, Verb
from master.registry.columns import Column
from master.registry.objects import Call, Sources, T
from master.registry.subresources import Action, Subresource
from timonel.api import names
from timonel.api.fields import FieldError

ALL_VERBS = frozenset(
    {
        Verb.CREATE,
        Verb.GET,
        Verb.LIST,
        Verb.WATCH,
        Verb.UPDATE,
        Verb.PATCH,
        Verb.DELETE,
        Verb.DELETECOLLECTION,
    }
)


class Strategy(Generic[T]):
    """A kind's own rules; the defaults of the hooks suit a plain kind without a status."""

    resource: ClassVar[Resource]
    """Set by `kind`."""
    verbs: frozenset[Verb] = ALL_VERBS
    columns: Sequence[Column[T]] = ()
    """The table's columns after Name; empty means Name and Age."""
    selectable: Mapping[str, Callable[[T], str]] = {}
    """Fields that field selectors may name beyond metadata.name and metadata.namespace."""
    subresources: Sequence[Subresource] = ()
    create_on_update: bool = False
    """Whether an update of an absent object creates it."""
    unconditional_update: bool = True
    """Whether an update without a resourceVersion is accepted."""
    has_generation: bool = False
    """Whether ``metadata.generation`` counts the changes of what `counted` gives."""
    validate_name: Callable[[str], Sequence[str]] = staticmethod(names.subdomain)
    """What is wrong with an object's name, in Kubernetes' words."""
    names_hosts: str = ""
    """What the objects' names become part of that has a hostname; empty when they do not."""
    virtual: "Virtual[T] | None" = None
    """Set for a resource that is computed, not stored."""
    performs: "Action[T] | None" = None
    """Set for a kind that is not stored either: creating one does something, as posting a Binding does."""

    deprecation: str = ""
    """What every user of the kind is warned of; empty for nothing."""

    @property
    def is_stored(self) -> bool:
        """Whether the store keeps objects of this kind."""
        return self.virtual is None and self.performs is None

    def default(self, obj: T, old: T | None) -> None:
        """Fill in what the caller left out; must be idempotent."""

    def prepare_create(self, obj: T, call: Call) -> None:
        """Clear what a creator may not set, and set what only the master sets."""

    def prepare_update(self, new: T, old: T, call: Call) -> None:
        """Carry over what an update of the main resource may not touch, beside ``status``."""

    def prepare_status(self, new: T, old: T, call: Call) -> None:
        """Carry over what an update of the status may not touch, beside ``spec``."""

    def validate(self, obj: T, old: T | None) -> Iterator[FieldError]:
        """The faults of ``obj``, metadata aside; with ``old``, of the change too."""
        yield from ()

    def validate_status(self, new: T, old: T) -> Iterator[FieldError]:
        """The faults of a status update."""
        yield from ()

    def grace(self, obj: T, options: DeleteOptions) -> int | None:
        """Seconds that a delete leaves the object before it goes; None for kinds that know no such time."""
        return None

    def held(self, obj: T) -> bool:
        """Whether finalizers keep an object that is being deleted."""
        return bool(obj.metadata.finalizers)

    def counted(self, obj: T) -> object:
        """The part whose changes raise the generation: by default the spec."""
        return getattr(obj, "spec", None)

    def propagation_of(self, obj: T) -> str | None:
        """The propagation of a delete that asks for none; None leaves the finalizers as they are."""
        return None

    def prepare_delete(self, obj: T) -> None:
        """Change an object that begins to be deleted and is held back."""

    def claims(self, obj: T) -> Mapping[str, str]:
        """Store keys that belong to this object alone while it exists, and the field that asks for each.

        They are taken and given back in the transaction that writes the object: for instance a ClusterIP.
        """
        return {}

    def allocate(self, obj: T, old: T | None, taken: Collection[str]) -> None:
        """Choose the values behind the claims that ``obj`` leaves open, avoiding the keys in ``taken``.

        Called again with more keys in ``taken`` when a choice turns out to be another object's.
        """

    def claim_refused(self, obj: T, key: str) -> FieldError:
        """The error when a value that the caller chose is another object's."""
        raise NotImplementedError(f"{type(self).__name__} claims {key} but does not say what its refusal means")

    def warnings(self, obj: T, old: T | None) -> Iterator[str]:
        """What the caller should be told of an accepted write."""
        if old is None and self.names_hosts and (faults := names.label(obj.metadata.name)):
            yield (
                f"metadata.name: this is used in {self.names_hosts}, which can result in surprising behavior; "
                f"a DNS label is recommended: [{' '.join(faults)}]"
            )


T_co = TypeVar("T_co", covariant=True)


class Virtual(Protocol[T_co]):
    """How a resource is computed when it is read, of what the master's parts know."""

    def read(self, sources: Sources, namespace: str, name: str) -> T_co | None:
        """One object."""

    def read_all(self, sources: Sources, namespace: str) -> Sequence[T_co]:
        """All objects of a namespace, of all where it is empty."""


AnyStrategy = Strategy[Any]
KINDS: dict[type[Any], AnyStrategy] = {}
"""Every kind that a module has defined, by its Struct; `resources.load` fills it."""

S = TypeVar("S", bound=type[AnyStrategy])


def kind(
    struct: type[Any],
    *,
    plural: str,
    singular: str = "",
    short: Sequence[str] = (),
    namespaced: bool = True,
    categories: Sequence[str] = (),
    shows_deleted: bool = False,
) -> Callable[[S], S]:
    """Register the decorated strategy as that of ``struct``; the singular is the kind in lower case unless given."""

    def register(strategy: S) -> S:
        if struct in KINDS:
            raise ValueError(
                f"{struct.gvk.kind} has two strategies: {strategy.__name__} and {type(KINDS[struct]).__name__}"
            )
        strategy.resource = Resource(
            gvk=struct.gvk,
            plural=plural,
            singular=singular or struct.gvk.kind.lower(),
            namespaced=namespaced,
            struct=struct,
            short_names=tuple(short),
            categories=tuple(categories),
            shows_deleted=shows_deleted,
        )
        KINDS[struct] = strategy()
        return strategy

    return register
