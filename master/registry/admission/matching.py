"""Which webhooks and policies a write concerns, by their rules and selectors; pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from master.registry.base import Resource, Verb
from timonel.api import selectors
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import admissionregistration_v1beta1 as v1beta1
from timonel.api.types import meta_v1

Webhook = v1.MutatingWebhook | v1.ValidatingWebhook

Rule = v1.RuleWithOperations | v1.NamedRuleWithOperations | v1beta1.NamedRuleWithOperations

ANY = "*"
EXACT = "Exact"
OWN_GROUP = "admissionregistration.k8s.io"
REVIEWS = ("authentication.k8s.io", "authorization.k8s.io")
"""Its kinds are never sent to webhooks: a configuration that refuses everything could not be taken back."""


class HasResource(Protocol):
    """A form of a write's object, known under a resource of its own."""

    @property
    def resource(self) -> Resource:
        """The resource."""


F = TypeVar("F", bound=HasResource)


def is_exempt(resource: Resource, *, policies: bool = False) -> bool:
    """Whether no webhook, or no policy, ever hears of writes of this resource. Policies leave reviews alone."""
    return resource.gvk.group == OWN_GROUP or (policies and resource.gvk.group in REVIEWS)


def form_for(
    rules: Iterable[Rule], match_policy: str | None, operation: Verb, subresource: str, forms: Sequence[F]
) -> F | None:
    """The form in which rules want the object; None where they are not about the write.

    Args:
        forms: the one that the caller speaks of first, then its equivalents in other groups and versions.
    """
    considered = forms[:1] if match_policy == EXACT else forms
    matched = (form for form in considered if rules_match(rules, operation, form.resource, subresource))
    return next(matched, None)


def rules_match(rules: Iterable[Rule], operation: Verb, resource: Resource, subresource: str = "") -> bool:
    """Whether any rule is about the operation on the resource."""
    return any(_rule_matches(rule, operation, resource, subresource) for rule in rules)


def _rule_matches(rule: Rule, operation: Verb, resource: Resource, subresource: str) -> bool:
    return (
        _has(rule.operations, operation.upper())
        and _has(rule.apiGroups, resource.gvk.group)
        and _has(rule.apiVersions, resource.gvk.version)
        and any(_names(each, resource.plural, subresource) for each in rule.resources)
        and rule.scope in (None, ANY, "Namespaced" if resource.namespaced else "Cluster")
    )


def _has(values: Sequence[str], value: str) -> bool:
    return ANY in values or value in values


def _names(rule: str, plural: str, subresource: str) -> bool:
    """Whether ``pods``, ``pods/status``, ``pods/*``, ``*/status``, ``*`` or ``*/*`` means the resource.

    ``pods/*`` means the pods themselves too.
    """
    wanted, _, part = rule.partition("/")
    return wanted in (ANY, plural) and part in (ANY, subresource)


def selects(selector: meta_v1.LabelSelector | None, *labels: Mapping[str, str]) -> bool:
    """Whether any of the labels are selected; a selector that says nothing selects all."""
    if is_everything(selector):
        return True
    parsed = selectors.from_struct(selector)
    return any(parsed.matches(each) for each in labels)


def is_everything(selector: meta_v1.LabelSelector | None) -> bool:
    """Whether the selector says nothing."""
    return selector is None or not (selector.matchLabels or selector.matchExpressions)
