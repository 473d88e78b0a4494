"""The words that the registry and its callers share: who asks, for what, with which options, and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from timonel.api.gvk import GVK


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as authentication found it."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))


def component(name: str) -> User:
    """The user of a part of the API server itself, for instance ``system:apiserver``; it may do everything."""
    return User(f"system:{name}", groups=("system:masters", "system:authenticated"))


def system_user(name: str) -> User:
    """The user of another part of the master, for instance ``system:kube-scheduler``: it may do what roles say."""
    return User(f"system:{name}", groups=("system:authenticated",))


def service_account(namespace: str, name: str) -> User:
    """The user that a ServiceAccount is, with the groups that it has."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups=groups)


class Verb(StrEnum):
    """The verbs of the API, as authorisation and discovery name them."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    WATCH = "watch"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    DELETECOLLECTION = "deletecollection"
    CONNECT = "connect"


@dataclass(frozen=True, slots=True)
class Resource:
    """A served resource. ``struct`` is the class of its objects: a Struct, or of a custom resource a `CustomObject`."""

    gvk: GVK
    plural: str
    singular: str
    namespaced: bool
    struct: type[Any] | None
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    list_kind: str = ""
    """The kind of its lists; empty where that is the kind with ``List`` after it."""
    shows_deleted: bool = False
    """Whether a deletion answers with the object that was there, as it does for some kinds, rather than a Status."""

    def __hash__(self) -> int:
        return hash(self.gvk)  # of all fields it would cost more than the look-ups that every request does with it

    @property
    def list_gvk(self) -> GVK:
        """The kind of its lists."""
        return self.gvk._replace(kind=self.list_kind or f"{self.gvk.kind}List")

    @property
    def group_resource(self) -> str:
        """As messages name it: ``pods``, ``deployments.apps``."""
        return f"{self.plural}.{self.gvk.group}" if self.gvk.group else self.plural

    @property
    def prefix(self) -> str:
        """The store's prefix of all its objects."""
        return f"/registry/{self.gvk.group or 'core'}/{self.plural}/"

    def key(self, namespace: str, name: str) -> str:
        """The store's key of one object."""
        return f"{self.prefix}{namespace}/{name}" if self.namespaced else f"{self.prefix}{name}"


@dataclass(frozen=True, slots=True)
class Preconditions:
    """What must hold of the stored object for a write; empty strings ask nothing."""

    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of create, update, patch and apply."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Ignore"
    """Strict, Warn or Ignore; the HTTP layer's default is Warn, as Kubernetes' is."""
    force: bool = False
    """Only for apply: take over conflicting fields."""
    repeated_keys: tuple[str, ...] = ()
    """What `parse.repeated_keys` says of a YAML body: the JSON that was made of it does not tell."""


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Options of delete and deletecollection. ``propagation`` is Background, Foreground, Orphan or None: unsaid."""

    dry_run: bool = False
    grace_seconds: int | None = None
    propagation: str | None = None
    preconditions: Preconditions = Preconditions()


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Options of list, watch and deletecollection, as they came on the wire."""

    label_selector: str = ""
    field_selector: str = ""
    limit: int = 0
    continue_token: str = ""
    resource_version: str | None = None
    """None when it was not given."""
    resource_version_match: str = ""
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One object that a verb gives back: its wire bytes, resourceVersion included, and warnings for the caller."""

    raw: bytes
    revision: int = 0
    """The object's resourceVersion; of a deletion that removed it, the deletion's revision."""
    created: bool = False
    warnings: tuple[str, ...] = ()
    deleted: bool = True
    """For delete: False while finalizers or grace keep the object."""


@dataclass(frozen=True, slots=True)
class ListResult:
    """A page of objects as wire bytes, in key order."""

    items: Sequence[bytes]
    revision: int
    continue_token: str = ""
    remaining: int | None = None
    """How many follow; None when a selector makes it unknown."""
