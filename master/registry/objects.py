"""What hooks, subresources and admission work on: an API object, the call being served, and a look at other objects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from master.registry.base import DeleteOptions, Resource, User, Verb, WriteOptions
from master.registry.usage import UsageSource
from timonel.api.gvk import GVK
from timonel.api.types import meta_v1

if TYPE_CHECKING:
    from master.registry.faces import AnyFace
    from master.registry.subresources import Subresource


class APIObject(Protocol):
    """What every top-level kind has."""

    gvk: ClassVar[GVK]
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta


T = TypeVar("T", bound=APIObject)


@dataclass(slots=True)
class Call:
    """One request, as hooks and admission see it."""

    user: User
    verb: Verb
    resource: Resource
    namespace: str
    name: str
    subresource: str = ""
    sub: "Subresource | None" = None
    """The form of the subresource."""
    face: "AnyFace | None" = None
    """The kind that the caller speaks of, where it is not the stored one, which ``resource`` is."""
    dry_run: bool = False
    field_manager: str = ""
    options: WriteOptions | DeleteOptions | None = None
    """All that the caller asked for."""
    now: str = ""
    """The time of the request, RFC 3339 in whole seconds; every timestamp that the write sets is this one."""
    warnings: list[str] = field(default_factory=list)
    """What the caller is told beside the result."""

    def warn(self, text: str) -> None:
        """Tell the caller, once."""
        if text not in self.warnings:
            self.warnings.append(text)


class Verdict(Protocol):
    """What the scheduler says of one node for one pod."""

    @property
    def node(self) -> str:
        """The node's name."""

    @property
    def refusals(self) -> Sequence[str]:
        """Why it cannot take the pod; none: it can."""

    @property
    def scores(self) -> Mapping[str, int]:
        """How well it suits, by plugin."""


class Explainer(Protocol):
    """Who can say why a pod is, or is not, on a node."""

    def explain(self, namespace: str, name: str) -> Sequence[Verdict]:
        """A verdict a node, none when there is no such pod."""


class Reader(Protocol):
    """Objects of any kind, read-only, for hooks and admission to look at."""

    def cached(self, kind: type[T], namespace: str, name: str) -> T | None:
        """The object as this process knows it; it may be a moment old."""

    async def current(self, kind: type[T], namespace: str, name: str) -> T | None:
        """The object as the store holds it now."""

    def all_cached(self, kind: type[T], namespace: str = "") -> Iterator[T]:
        """All objects of a kind, of one namespace where given, in key order; they may be a moment old."""

    def stored(self) -> Iterator[Resource]:
        """The resources whose objects the store has, each once."""

    async def caught_up(self, kind: type[T], revision: int) -> None:
        """Wait until what is cached of a kind is at least as new as ``revision``.

        Raises:
            ServiceUnavailable: it has not become so in time.
        """

    def on_change(self, kind: type[T], seen: Callable[[T | None, T | None], None]) -> None:
        """Call ``seen`` with the old and the new state (None: absent) of every object of a kind that changes."""


@dataclass(slots=True)
class Sources:
    """What other parts of the master give, once they are there."""

    reader: Reader
    usage: UsageSource | None = None
    explainer: Explainer | None = None
