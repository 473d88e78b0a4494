"""A write as the expressions of webhooks and policies see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from master.registry.admission.base import Attributes
from master.registry.admission.selecting import namespace_of
from master.registry.authz import base as authz
from master.registry.base import Resource, User
from master.registry.cel.failures import EvaluationError
from timonel.api import codec
from timonel.api.gvk import GVK

if TYPE_CHECKING:
    from master.registry.cel.admission import Situation
    from master.registry.cel.authorization import Ask
    from master.registry.cel.environment import Program

Document = dict[str, Any]

_NO_PART_OF_REQUEST = frozenset({"uid", "object", "oldObject"})


class Failed(Exception):
    """An expression has no value; the message says which and why."""


SituationWith = Callable[[Document | None, Mapping[str, "Program"]], "Situation"]


async def seen(asked: Document, attributes: Attributes) -> SituationWith:
    """What makes of parameters and variables the situation of the write, of which ``asked`` is the question."""
    from master.registry.cel.admission import Situation, namespace_value, request_check
    from master.registry.cel.authorization import AUTHORIZER

    request = {key: value for key, value in asked.items() if key not in _NO_PART_OF_REQUEST}
    namespace = await namespace_of(attributes)
    values = {
        "object": asked["object"],
        "oldObject": asked["oldObject"],
        "request": request,
        "namespaceObject": namespace_value(codec.to_dict(namespace) if namespace else None),
        "authorizer": AUTHORIZER,
        "authorizer.requestResource": request_check(request),
    }
    ask = asker(attributes)
    return lambda params, variables: Situation({**values, "params": params}, ask, variables)


def value(situation: Situation, program: Program, what: str = "expression") -> Any:
    """The value of an expression.

    Raises:
        Failed: it has none.
    """
    try:
        return situation.run(program)
    except EvaluationError as error:
        raise Failed(f"{what} '{program.text}' resulted in error: {error}") from None


def conditions_hold(situation: Situation, conditions: Sequence[Program]) -> bool:
    """Whether all conditions hold. One that says no outweighs one that fails.

    Raises:
        Failed: no condition says no, but one has no value.
    """
    failed: Failed | None = None
    for condition in conditions:
        try:
            if value(situation, condition) is not True:
                return False
        except Failed as error:
            failed = failed or error
    if failed:
        raise failed
    return True


def asker(attributes: Attributes) -> Ask:
    """Who answers what expressions ask of the rights of the caller, or of a service account."""

    def ask(check: Mapping[str, str]) -> tuple[bool, str]:
        user, resource = attributes.call.user, None
        if "account" in check:
            space = check["account_namespace"]
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated")
            user = User(f"system:serviceaccount:{space}:{check['account']}", groups=groups)
        if "resource" in check:
            gvk = GVK(check["group"], "", "")
            resource = Resource(gvk, check["resource"], "", namespaced="namespace" in check, struct=None)
        asked = authz.Attributes(
            user,
            check["verb"],
            resource,
            check.get("subresource", ""),
            check.get("namespace", ""),
            check.get("name", ""),
            check.get("path", ""),
        )
        verdict = attributes.authorizer.authorize(asked)
        return verdict.decision is authz.Decision.ALLOW, verdict.reason

    return ask
