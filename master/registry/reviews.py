"""Access reviews: questions about who may do what, answered when they are posted; nothing is stored."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from master.registry.authz.base import Attributes, Authorizer, Decision, KnowsRules
from master.registry.base import Resource, User
from master.registry.objects import Call
from master.registry.strategy import KINDS
from master.registry.subresources import Action, Actor
from timonel.api import names, selectors
from timonel.api.errors import BadRequest, Invalid
from timonel.api.fields import FieldError, Path, forbidden, invalid, required
from timonel.api.gvk import GVK
from timonel.api.types import authorization_v1 as v1
from timonel.api.types import meta_v1

Requirement = meta_v1.FieldSelectorRequirement | meta_v1.LabelSelectorRequirement
AnyReview = v1.SubjectAccessReview | v1.LocalSubjectAccessReview | v1.SelfSubjectAccessReview


R = TypeVar("R", bound=AnyReview)


class AccessReview(Action[R]):
    """Whether somebody may do something: the caller itself, or whom the review names."""

    async def run(self, actor: Actor, call: Call, body: R) -> R:
        """Ask the authorizer.

        Raises:
            Invalid: the question is not complete.
        """
        faults = list(_faults(body))
        if faults:
            raise Invalid(f".{body.gvk.group}", "", faults)  # Kubernetes' name no kind either.
        user = call.user if isinstance(body, v1.SelfSubjectAccessReview) else _user(body.spec)
        body.status = _judge(actor.authorizer, _asked(user, body.spec))
        body.status.evaluationError = "; ".join(_misunderstood(body.spec))
        return body


class RulesReview(Action[v1.SelfSubjectRulesReview]):
    """All that the caller may do in a namespace."""

    async def run(self, actor: Actor, call: Call, body: v1.SelfSubjectRulesReview) -> v1.SelfSubjectRulesReview:
        """Collect the rules.

        Raises:
            BadRequest: the review names no namespace.
        """
        namespace, body.spec = body.spec.namespace, v1.SelfSubjectRulesReviewSpec()
        if not namespace:
            raise BadRequest("no namespace on request")
        status = body.status = v1.SubjectRulesReviewStatus()
        if not isinstance(actor.authorizer, KnowsRules):
            status.incomplete, status.evaluationError = True, "the server's authorizer cannot list rules"
            return body
        known = actor.authorizer.rules_for(call.user, namespace)
        for rule in known.rules:
            if rule.resources:
                status.resourceRules.append(
                    v1.ResourceRule(
                        verbs=list(rule.verbs),
                        apiGroups=list(rule.apiGroups),
                        resources=list(rule.resources),
                        resourceNames=list(rule.resourceNames),
                    )
                )
            if rule.nonResourceURLs:
                urls = list(rule.nonResourceURLs)
                status.nonResourceRules.append(v1.NonResourceRule(verbs=list(rule.verbs), nonResourceURLs=urls))
        status.incomplete, status.evaluationError = known.incomplete, ", ".join(known.problems)
        return body


def _faults(review: AnyReview) -> Iterator[FieldError]:
    """Source: Kubernetes' apis/authorization/validation."""
    path, spec = Path("spec"), review.spec
    resource, other = spec.resourceAttributes, spec.nonResourceAttributes
    shown = {"Path": other.path or "", "Verb": other.verb} if other else None
    if resource is not None and other is not None:
        why = "cannot be specified in combination with resourceAttributes"
        yield invalid(path.child("nonResourceAttributes"), shown, why)
    if resource is None and other is None:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid(path.child("resourceAttributes"), None, why)
    if isinstance(spec, v1.SubjectAccessReviewSpec) and not spec.user and not spec.groups:
        yield invalid(path.child("user"), "", "at least one of user or group must be specified")
    if resource is not None:
        where = path.child("resourceAttributes")
        yield from _selector_faults(resource.fieldSelector, where.child("fieldSelector"))
        yield from _selector_faults(resource.labelSelector, where.child("labelSelector"))
    local = isinstance(review, v1.LocalSubjectAccessReview)
    if local:
        if resource is not None and (resource.namespace or "") != (review.metadata.namespace or ""):
            where = path.child("resourceAttributes", "namespace")
            yield invalid(where, resource.namespace or "", "must match metadata.namespace")
        if other is not None:
            yield invalid(path.child("nonResourceAttributes"), shown, "disallowed on this kind of request")
    if review.metadata != meta_v1.ObjectMeta(
        namespace=review.metadata.namespace, managedFields=review.metadata.managedFields
    ):
        why = "must be empty except for namespace" if local else "must be empty"
        yield invalid(Path("metadata"), review.metadata, why)


def _selector_faults(
    selector: v1.FieldSelectorAttributes | v1.LabelSelectorAttributes | None, path: Path
) -> Iterator[FieldError]:
    if selector is None:
        return
    if selector.rawSelector and selector.requirements:
        yield invalid(
            path.child("rawSelector"), selector.rawSelector, "may not specified at the same time as requirements"
        )
    if not selector.rawSelector and not selector.requirements:
        yield required(path.child("requirements"), f"when {path} is specified, requirements or rawSelector is required")
    requirements: Sequence[Requirement] = selector.requirements
    for index, requirement in enumerate(requirements):
        where = path.child("requirements").index(index)
        if isinstance(selector, v1.LabelSelectorAttributes):
            yield from (invalid(where.child("key"), requirement.key, why) for why in names.qualified(requirement.key))
        elif not requirement.key:
            yield required(where.child("key"), "must be specified")
        if requirement.operator in ("In", "NotIn") and not requirement.values:
            yield required(where.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
        if requirement.operator in ("Exists", "DoesNotExist") and requirement.values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield forbidden(where.child("values"), why)


def _user(spec: v1.SubjectAccessReviewSpec) -> User:
    extra = {key.lower(): tuple(values) for key, values in spec.extra.items()}
    return User(spec.user or "", spec.uid or "", tuple(spec.groups), extra)


def _asked(user: User, spec: v1.SubjectAccessReviewSpec | v1.SelfSubjectAccessReviewSpec) -> Attributes:
    wanted = spec.resourceAttributes
    if wanted is None:
        path = spec.nonResourceAttributes or v1.NonResourceAttributes()
        return Attributes(user, path.verb, path=path.path or "")
    return Attributes(
        user,
        wanted.verb,
        _resource(wanted.group or "", wanted.resource or "", namespaced=bool(wanted.namespace)),
        wanted.subresource,
        wanted.namespace or "",
        wanted.name or "",
        field_selector=_selector(wanted.fieldSelector),
    )


def _resource(group: str, plural: str, *, namespaced: bool) -> Resource:
    """The served resource of that name; what is not served, or stands for all, can be asked about as well."""
    for strategy in KINDS.values():
        if (strategy.resource.gvk.group, strategy.resource.plural) == (group, plural):
            return strategy.resource
    return Resource(GVK(group, "", ""), plural, "", namespaced=namespaced, struct=None)


def _selector(selector: v1.FieldSelectorAttributes | None) -> str:
    """What of a field selector says which value a field must have; nothing of one that cannot be understood."""
    if selector is not None and selector.rawSelector:
        try:
            selectors.parse_fields(selector.rawSelector)
        except BadRequest:
            return ""
        return selector.rawSelector
    requirements: list[Any] = selector.requirements if selector else []
    return ",".join(f"{r.key}={r.values[0]}" for r in requirements if r.operator == "In" and len(r.values) == 1)


def _misunderstood(spec: v1.SubjectAccessReviewSpec | v1.SelfSubjectAccessReviewSpec) -> Iterator[str]:
    """Selectors that Kubernetes does not take into account, which it says: field selectors know single values only."""
    wanted = spec.resourceAttributes
    for name, selector in (
        ("fieldSelector", wanted.fieldSelector if wanted else None),
        ("labelSelector", wanted.labelSelector if wanted else None),
    ):
        for requirement in selector.requirements if selector else ():
            several = name == "fieldSelector" and len(requirement.values) > 1
            if several or requirement.operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
                yield f"spec.resourceAttributes.{name} ignored due to parse error"
                break


def _judge(authorizer: Authorizer, asked: Attributes) -> v1.SubjectAccessReviewStatus:
    verdict = authorizer.authorize(asked)
    denied = verdict.decision is Decision.DENY
    return v1.SubjectAccessReviewStatus(
        allowed=verdict.decision is Decision.ALLOW, denied=denied, reason=verdict.reason
    )
