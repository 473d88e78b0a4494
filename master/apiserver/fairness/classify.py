"""Which flow a request belongs to: FlowSchemas in their order, each with rules about who asks for what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from timonel.api.types import flowcontrol_v1 as v1

_SERVICE_ACCOUNT = "system:serviceaccount:"


class Request(NamedTuple):
    """What matters of a request. Hashable: equal ones are of one flow."""

    user: str
    groups: tuple[str, ...]
    verb: str
    is_resource: bool
    group: str = ""
    resource: str = ""
    """With the subresource: ``pods/status``."""
    namespace: str = ""
    path: str = ""
    """Of a request for no resource."""


def first_match(schemas: Iterable[v1.FlowSchema], request: Request) -> v1.FlowSchema | None:
    """The schema that a request belongs to: the first that matches, of `in_order`."""
    return next((schema for schema in schemas if matches(schema.spec, request)), None)


def in_order(schemas: Iterable[v1.FlowSchema]) -> list[v1.FlowSchema]:
    """Schemas as they are asked: by precedence, then by name."""
    return sorted(schemas, key=lambda schema: (schema.spec.matchingPrecedence, schema.metadata.name or ""))


def distinguisher(schema: v1.FlowSchema, request: Request) -> str:
    """What tells a schema's flows apart; all are one where it has no method."""
    method = schema.spec.distinguisherMethod
    match method.type if method else "":
        case "ByUser":
            return request.user
        case "ByNamespace":
            return request.namespace
    return ""


def matches(spec: v1.FlowSchemaSpec, request: Request) -> bool:
    """Whether a rule has both: a subject that asks, and what it asks for."""
    asks = _asks_for_resource if request.is_resource else _asks_for_page
    return any(any(_is(subject, request) for subject in rule.subjects) and asks(rule, request) for rule in spec.rules)


def _is(subject: v1.Subject, request: Request) -> bool:
    if subject.user is not None:
        return subject.user.name in ("*", request.user)
    if subject.group is not None:
        return subject.group.name == "*" or subject.group.name in request.groups
    if subject.serviceAccount is not None:
        account = subject.serviceAccount
        prefix = f"{_SERVICE_ACCOUNT}{account.namespace}:"
        return request.user.startswith(prefix) if account.name == "*" else request.user == prefix + account.name
    return False


def _asks_for_resource(rule: v1.PolicyRulesWithSubjects, request: Request) -> bool:
    return any(
        _has(each.verbs, request.verb)
        and _has(each.apiGroups, request.group)
        and _has(each.resources, request.resource)
        and (_has(each.namespaces, request.namespace) if request.namespace else bool(each.clusterScope))
        for each in rule.resourceRules
    )


def _asks_for_page(rule: v1.PolicyRulesWithSubjects, request: Request) -> bool:
    return any(
        _has(each.verbs, request.verb) and any(_covers(url, request.path) for url in each.nonResourceURLs)
        for each in rule.nonResourceRules
    )


def _has(words: list[str], word: str) -> bool:
    return word in words or "*" in words


def _covers(url: str, path: str) -> bool:
    return path.startswith(url[:-1]) if url.endswith("*") else path == url
