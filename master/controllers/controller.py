"""How a controller is declared: the kind whose objects it brings into order, and what else wakes it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from master.controllers.actions import Action
from master.controllers.view import View
from master.registry.base import User, component, service_account, system_user
from master.registry.objects import APIObject
from timonel.api.errors import StatusError
from timonel.api.meta import controller_of
from timonel.api.types import core_v1

T = TypeVar("T", bound=APIObject)


class Key(NamedTuple):
    """Which object to look at; the namespace is empty for kinds of the cluster."""

    kind: type[Any]
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Wake(Generic[T]):
    """A change of an object of ``kind`` (None: of any kind) wakes the keys that ``keys`` finds.

    It is asked about the old state and the new.
    """

    kind: type[T] | None
    keys: Callable[[T, View], Iterable[Key]]


Reconcile = Callable[[Any, View, datetime], Iterator[Action]]
OnFailure = Callable[[Any, StatusError, View, datetime], Iterator[Action]]


@dataclass(frozen=True, slots=True)
class Controller:
    """A declared controller; `kind` None stands for every kind."""

    name: str
    kind: type[Any] | None
    wakes_on: tuple[Wake[Any], ...]
    reconcile: Reconcile
    account: str = ""
    """Who it acts as, see `controller`; empty: its own name with ``-controller`` after it."""
    on_failure: OnFailure | None = None

    @property
    def user(self) -> User:
        """Who it acts as: what that user's roles do not allow it cannot do."""
        if self.account == API_SERVER:
            return component(API_SERVER)
        if self.account.startswith("system:"):
            return system_user(self.account.removeprefix("system:"))
        return service_account("kube-system", self.account or f"{self.name}-controller")


API_SERVER = "apiserver"
"""The account of controllers whose work Kubernetes' API server does itself."""

CONTROLLERS: dict[str, Controller] = {}
"""By name; `load` fills it."""


def controller(
    kind: type[Any] | None,
    *,
    wakes_on: Iterable[Wake[Any]] = (),
    account: str = "",
    on_failure: OnFailure | None = None,
) -> Callable[[Reconcile], Reconcile]:
    """Declare the decorated function ``(obj, view, now) -> actions`` as the controller of ``kind``, under its name.

    It acts as the service account ``account`` in kube-system, whose role ``system:controller:ACCOUNT`` is one of the
    default roles; as the user of that name if it begins with ``system:``; or as the API server (`API_SERVER`).

    It is called with each object of the kind that exists whenever that object, or something that wakes it, has changed.
    It must be pure: equal
    arguments, equal actions. It yields nothing when there is nothing to do.

    When the API refuses one of its actions, ``on_failure(obj, error, view, now)`` says what is to be done before it is
    called again: what the object's status tells of it.
    """

    def declare(reconcile: Reconcile) -> Reconcile:
        name = reconcile.__name__.replace("_", "-")
        if name in CONTROLLERS and CONTROLLERS[name].reconcile is not reconcile:
            raise ValueError(f"two controllers are named {name}")
        CONTROLLERS[name] = Controller(name, kind, tuple(wakes_on), reconcile, account, on_failure)
        return reconcile

    return declare


def load() -> list[Controller]:
    """Import every module of this package and give the controllers that they declare, by name."""
    package = importlib.import_module("master.controllers")
    for info in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"master.controllers.{info.name}")
    return [CONTROLLERS[name] for name in sorted(CONTROLLERS)]


def key_of(obj: APIObject) -> Key:
    """The key of an object."""
    return Key(type(obj), obj.metadata.namespace or "", obj.metadata.name or "")


def controlled_by(owner: type[Any], kind: type[T]) -> Wake[T]:
    """An object of ``kind`` wakes its controlling owner, if that is of kind ``owner``."""

    def keys(obj: T, view: View) -> Iterable[Key]:
        reference = controller_of(obj)
        if reference and (reference.apiVersion, reference.kind) == (owner.gvk.api_version, owner.gvk.kind):
            yield Key(owner, obj.metadata.namespace or "", reference.name)

    return Wake(kind, keys)


def in_namespace(kind: type[T]) -> Wake[T]:
    """An object of ``kind`` wakes the Namespace that it is in."""
    return Wake(kind, lambda obj, view: [Key(core_v1.Namespace, "", obj.metadata.namespace or "")])


def every(kind: type[T], primary: type[Any]) -> Wake[T]:
    """An object of ``kind`` wakes all objects of kind ``primary``: only for kinds that change seldom."""
    return Wake(kind, lambda obj, view: [key_of(other) for other in view.list(primary)])
