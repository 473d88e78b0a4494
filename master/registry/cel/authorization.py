"""What expressions of admission may ask of authorisation: whether a user may do something.

Source: Kubernetes' documentation of CEL (the authorizer library). A check is a map of what is asked, which grows with
each function called on it; who answers is said by `answering` for as long as an expression runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from master.registry.cel.functions import Function, member

Check = dict[str, str]
Answer = tuple[bool, str]
"""Whether it is allowed, and why."""
Ask = Callable[[Check], Answer]

_ask: ContextVar[Ask] = ContextVar("ask")

AUTHORIZER: Check = {"is": "authorizer"}
"""The value of the variable ``authorizer``: checks about the user of the request."""


@contextmanager
def answering(ask: Ask) -> Iterator[None]:
    """Let ``ask`` answer the checks of expressions that run meanwhile."""
    token = _ask.set(ask)
    try:
        yield
    finally:
        _ask.reset(token)


def functions() -> Iterator[Function]:
    """All of them."""
    yield member("path", "PathCheck", "Authorizer", "string", run=_with("path"))
    yield member("group", "GroupCheck", "Authorizer", "string", run=_with("group"))
    yield member("serviceAccount", "Authorizer", "Authorizer", "string", "string", run=_service_account)
    yield member("resource", "ResourceCheck", "GroupCheck", "string", run=_with("resource"))
    for part in ("subresource", "namespace", "name", "fieldSelector", "labelSelector"):
        yield member(part, "ResourceCheck", "ResourceCheck", "string", run=_with(part))
    forms = (("Decision", ("PathCheck", "string")), ("Decision", ("ResourceCheck", "string")))
    yield Function("check", forms, _decide)
    yield member("allowed", "bool", "Decision", run=lambda decision: decision["allowed"])
    yield member("reason", "string", "Decision", run=lambda decision: decision["reason"])
    yield member("errored", "bool", "Decision", run=lambda decision: False)
    yield member("error", "string", "Decision", run=lambda decision: "")


def _with(part: str) -> Callable[[Check, str], Check]:
    return lambda check, value: {**check, part: value}


def _service_account(check: Check, namespace: str, name: str) -> Check:
    return {**check, "account_namespace": namespace, "account": name}


def _decide(check: Check, verb: str) -> dict[str, Any]:
    allowed, reason = _ask.get()({**check, "verb": verb})
    return {"allowed": allowed, "reason": reason}
