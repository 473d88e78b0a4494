"""Admission plugins: plain functions that judge or change objects before the API server stores them.

A file in the folder of `timonel up --admission-plugins DIR`, or a module behind an entry point of the group
``timonel.admission``:

    from timonel.admission import Denied, Request, mutating, validating

    @validating("pods", "deployments.apps")
    def owned(request: Request) -> None:
        if "owner" not in request.object.metadata.labels:
            raise Denied("the label owner is missing")

    @mutating("pods", operations=["CREATE"])
    def polite(request: Request) -> None:
        request.object.spec.terminationGracePeriodSeconds = 60

Functions run one at a time for a request, each in a thread of its own, with a deadline. Objects are the Structs of
`timonel.api.types`, of custom resources `CustomObject`; they are copies, the function's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

FailurePolicy = Literal["Fail", "Ignore"]
SECONDS = 2.0
"""How long a function may take, where it does not say."""


class Denied(Exception):
    """Raised by a function: the request is refused, with this message for its user."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A write that is under way."""

    operation: str
    """CREATE, UPDATE or DELETE."""
    resource: str
    """With its group where it has one: ``pods``, ``deployments.apps``."""
    subresource: str
    namespace: str
    name: str
    object: Any
    """The object as it is to be; None for a DELETE. A mutating function may change it, or return another."""
    old: Any
    """The object as it is; None for a CREATE."""
    user: User
    dry_run: bool
    warnings: list[str] = field(default_factory=list)
    """What the function puts here is told to the user."""

    def warn(self, text: str) -> None:
        """Tell the user something beside the result."""
        self.warnings.append(text)


Function = Callable[[Request], Any]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Hook:
    """What a decorator says of a function."""

    changes: bool
    resources: frozenset[str]
    operations: frozenset[str]
    order: int
    seconds: float
    failure_policy: FailurePolicy

    def concerns(self, resource: str, operation: str) -> bool:
        """Whether the function wants to see the operation on the resource, ``pods`` or ``pods/status``."""
        return operation in self.operations and (
            resource in self.resources or ("*" in self.resources and "/" not in resource)
        )


ATTRIBUTE = "timonel_admission"
"""Where a decorated function has its `Hook`."""


def validating(
    *resources: str,
    operations: Sequence[str] = ("CREATE", "UPDATE"),
    order: int = 100,
    seconds: float = SECONDS,
    failure_policy: FailurePolicy = "Fail",
) -> Callable[[F], F]:
    """Have a function judge writes: it returns nothing, or raises `Denied`.

    Args:
        resources: what it sees, ``pods``, ``deployments.apps``, ``pods/status``; ``*`` is everything but subresources.
        operations: some of CREATE, UPDATE and DELETE.
        order: functions with lower numbers come first.
        seconds: how long it may take.
        failure_policy: what becomes of a write when it fails or takes too long: Fail refuses it, Ignore lets it pass.
    """
    return _marked(False, resources, operations, order, seconds, failure_policy)


def mutating(
    *resources: str,
    operations: Sequence[str] = ("CREATE", "UPDATE"),
    order: int = 100,
    seconds: float = SECONDS,
    failure_policy: FailurePolicy = "Fail",
) -> Callable[[F], F]:
    """Have a function change objects, in place or by returning another; arguments as of `validating`.

    It must be idempotent: an update sees again what a create has left.
    """
    return _marked(True, resources, operations, order, seconds, failure_policy)


def _marked(
    changes: bool,
    resources: Sequence[str],
    operations: Sequence[str],
    order: int,
    seconds: float,
    failure_policy: FailurePolicy,
) -> Callable[[F], F]:
    known = {"CREATE", "UPDATE"} if changes else {"CREATE", "UPDATE", "DELETE"}
    if not resources:
        raise ValueError("name the resources that the function is to see, for instance 'pods', or '*' for all")
    if not set(operations) <= known:
        raise ValueError(f"operations are some of {', '.join(sorted(known))}, not {', '.join(operations)}")
    hook = Hook(changes, frozenset(resources), frozenset(operations), order, seconds, failure_policy)

    def mark(function: F) -> F:
        setattr(function, ATTRIBUTE, hook)
        return function

    return mark
