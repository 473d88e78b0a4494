"""The forms that a subresource takes; a kind lists instances of them.

- `Part`: a part of the object that is written apart (status, finalize, resize);
- `Projection`: another kind read from the object and written into it (scale);
- `Report`: something worked out about the object when it is read (why);
- `Action`: something done to the object by a POST (binding, eviction, token);
- `Connect`: a stream that the HTTP layer serves; only its name and verbs are known here (log, exec).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from master.registry.authz.base import Authorizer
from master.registry.base import DeleteOptions, Result, User, Verb
from master.registry.objects import APIObject, Call, Reader, Sources, T
from timonel.api import codec
from timonel.api.errors import BadRequest
from timonel.api.fields import FieldError
from timonel.api.gvk import GVK

V = TypeVar("V", bound=APIObject)

READ_WRITE = frozenset({Verb.GET, Verb.UPDATE, Verb.PATCH})


class Subresource:
    """What discovery and authorisation know of every form."""

    name: str
    verbs: frozenset[Verb]
    struct: type[Any] | None = None
    """The kind that its bodies have; None means the parent's own."""
    gvk: GVK | None = None
    """As discovery names that kind; None means the parent's own."""


class Part(Subresource, Generic[T]):
    """A part of the object: bodies are whole objects, of which only the part counts."""

    verbs = READ_WRITE

    def prepare(self, new: T, old: T, call: Call) -> None:
        """Carry everything over from ``old`` but the part; of most kinds' parts, metadata may be written with it."""
        raise NotImplementedError

    def validate(self, new: T, old: T) -> Iterator[FieldError]:
        """The faults of the change."""
        yield from ()


class Status(Part[Any]):
    """The status of a kind, written by its controller; the strategy's own hooks rule it."""

    name = "status"

    def prepare(self, new: Any, old: Any, call: Call) -> None:
        """Keep the spec."""
        if hasattr(old, "spec"):
            new.spec = old.spec


class StatusAlone(Status):
    """A status with which no labels or annotations are written either, as in the kinds that came last."""

    def prepare(self, new: Any, old: Any, call: Call) -> None:
        """Keep all else, but for who manages which fields."""
        super().prepare(new, old, call)
        keep_metadata(new, old)


def keep_metadata(new: Any, old: Any) -> None:
    """Take back what ``new`` says in its metadata, but for who manages which fields."""
    managed = new.metadata.managedFields
    new.metadata = codec.copy(old.metadata)
    new.metadata.managedFields = managed
    new.metadata.resourceVersion = ""


class Projection(Subresource, Generic[T, V]):
    """Another kind as a view of the object."""

    verbs = READ_WRITE

    def read(self, obj: T) -> V:
        """The view; metadata included."""
        raise NotImplementedError

    def write(self, view: V, obj: T) -> None:
        """Put what the view says into ``obj``."""
        raise NotImplementedError

    def validate(self, view: V) -> Iterator[FieldError]:
        """The faults of the view."""
        yield from ()


Change = Callable[[Any], None]
"""A change of an object in place; it may run more than once, each time on the newest state."""


class Report(Subresource):
    """Something worked out about the object when it is read, in a JSON form of its own."""

    verbs = frozenset({Verb.GET})

    def report(self, sources: Sources, obj: Any) -> dict[str, Any]:
        """Work it out."""
        raise NotImplementedError


class Actor(Protocol):
    """What an action may do."""

    @property
    def reader(self) -> Reader:
        """Other objects."""

    @property
    def minter(self) -> "TokenMinter | None":
        """Who signs tokens, where somebody does."""

    @property
    def verifier(self) -> "TokenVerifier | None":
        """Who knows whose a token is, where somebody does."""

    @property
    def authorizer(self) -> Authorizer:
        """Who may do what."""

    async def modify(self, call: Call, namespace: str, name: str, change: Change) -> Result:
        """Change the call's parent object by the guaranteed-update loop; ``change`` gets an own copy and may raise."""

    async def delete_object(self, call: Call, namespace: str, name: str, options: DeleteOptions) -> Result:
        """Delete the call's parent object."""


class Action(Subresource, Generic[V]):
    """Something done by a POST."""

    verbs = frozenset({Verb.CREATE})

    def prepare(self, call: Call, body: V) -> None:
        """Refuse a body that is not about the object, and fill in what it leaves out, before admission sees it."""
        if (body.metadata.name or "") != call.name:
            raise BadRequest(f"name in URL does not match name in {body.gvk.kind} object")

    async def run(self, actor: Actor, call: Call, body: V) -> APIObject:
        """Do it and say what the caller gets back."""
        raise NotImplementedError


@dataclass(frozen=True)
class Connect(Subresource):
    """A stream on the object, served by the HTTP layer."""

    name: str
    verbs: frozenset[Verb]
    gvk: GVK | None = None


def proxy(kind: str) -> Connect:
    """Any request, passed on to what the object stands for; ``kind`` is that of its options."""
    verbs = frozenset({Verb.CREATE, Verb.DELETE, Verb.GET, Verb.PATCH, Verb.UPDATE})
    return Connect("proxy", verbs, GVK("", "v1", kind))


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A signed ServiceAccount token and when it ends, RFC 3339."""

    token: str
    expires: str


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a ServiceAccount token is asked to say."""

    namespace: str
    service_account: str
    uid: str
    audiences: tuple[str, ...]
    """Empty: the API server's own."""
    seconds: int
    bound_kind: str = ""
    """Pod, Secret or Node; the token ends with that object."""
    bound_name: str = ""
    bound_uid: str = ""
    node_name: str = ""
    """Of a bound pod that is scheduled."""


class TokenMinter(Protocol):
    """Who signs ServiceAccount tokens."""

    audiences: tuple[str, ...]
    """The audiences of a token that asks for none."""

    async def mint(self, claims: TokenClaims) -> MintedToken:
        """Sign a token."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """Whose a token is, and for which of the audiences that were asked about."""

    user: User
    audiences: tuple[str, ...]


class TokenVerifier(Protocol):
    """Who knows whose a bearer token is."""

    async def verify(self, token: str, audiences: Sequence[str]) -> VerifiedToken:
        """Whose the token is. No ``audiences``: the API server's own.

        Raises:
            Unauthorized: nobody's; the message says why.
        """
