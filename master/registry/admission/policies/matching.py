"""Which policies concern a write, through which bindings, and with which parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from master.registry.admission.base import Attributes
from master.registry.admission.matching import form_for
from master.registry.admission.selecting import selected
from master.registry.admission.webhooks.forms import Form, forms_of
from master.registry.base import Resource
from timonel.api import codec, selectors
from timonel.api.gvk import GVK
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import admissionregistration_v1beta1 as v1beta1

ALLOW = "Allow"

P = TypeVar("P", bound=Any)
B = TypeVar("B", bound=Any)


class Misconfigured(Exception):
    """A policy, or one of its bindings, cannot be followed; the message says why."""


@dataclass(frozen=True, slots=True)
class Bound(Generic[P, B]):
    """A policy that concerns a write, and those of its bindings that do."""

    policy: P
    bindings: Sequence[B]
    form: Form
    """As the policy's rules name the object."""


async def concerned(policies: Iterable[P], bindings: Iterable[B], attributes: Attributes) -> AsyncIterator[Bound[P, B]]:
    """The policies that concern the write, with the bindings that do: a policy that cannot be followed needs none."""
    by_policy: dict[str, list[B]] = defaultdict(list)
    for binding in bindings:
        by_policy[binding.spec.policyName].append(binding)
    forms = forms_of(attributes.call)
    for policy in policies:
        bound = by_policy.get(policy.metadata.name or "")
        form = await _matched(policy.spec.matchConstraints, forms, attributes) if bound else None
        if form is None or not bound:
            continue
        yield Bound(policy, [each for each in bound if await _binds(each, forms, attributes)], form)


async def _binds(binding: Any, forms: Sequence[Form], attributes: Attributes) -> bool:
    resources = binding.spec.matchResources
    if resources is None:
        return True
    if not resources.resourceRules:
        return not _excluded(resources, forms, attributes) and await selected(resources, attributes)
    return await _matched(resources, forms, attributes) is not None


async def _matched(
    resources: v1.MatchResources | v1beta1.MatchResources | None, forms: Sequence[Form], attributes: Attributes
) -> Form | None:
    """The form in which the rules mean the write; None where they do not."""
    if resources is None or _excluded(resources, forms, attributes):
        return None
    form = _form(resources.resourceRules, resources.matchPolicy, forms, attributes)
    return form if form is not None and await selected(resources, attributes) else None


def _excluded(resources: Any, forms: Sequence[Form], attributes: Attributes) -> bool:
    return _form(resources.excludeResourceRules, resources.matchPolicy, forms, attributes) is not None


def _form(rules: Iterable[Any], policy: str | None, forms: Sequence[Form], attributes: Attributes) -> Form | None:
    call = attributes.call
    named = [rule for rule in rules if not rule.resourceNames or call.name in rule.resourceNames]
    return form_for(named, policy, attributes.operation, call.subresource, forms)


# Parameters


def param_resource(policy: Any, attributes: Attributes) -> Resource | None:
    """The resource of a policy's parameters; None where it has none.

    Raises:
        Misconfigured: there is no such resource.
    """
    kind = policy.spec.paramKind
    if kind is None:
        return None
    gvk = GVK.parse(kind.apiVersion, kind.kind)
    found = next((resource for resource in attributes.reader.stored() if resource.gvk == gvk), None)
    if found is None:
        named = f"{kind.apiVersion}, Kind={kind.kind}"
        raise Misconfigured(f"failed to configure policy: failed to find resource referenced by paramKind: '{named}'")
    return found


def params_of(binding: Any, resource: Resource | None, attributes: Attributes) -> list[dict[str, Any] | None]:
    """The parameters of a binding: the policy is asked once with each.

    Raises:
        Misconfigured: there are none, and that is no leave to pass; or the reference makes no sense.
    """
    reference = binding.spec.paramRef
    if resource is None or reference is None:
        return [None]
    namespace = reference.namespace or ""
    if not resource.namespaced:
        if namespace:
            why = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
            raise Misconfigured(f"failed to configure binding: {why}")
    elif not namespace:
        namespace = attributes.call.namespace
        if not namespace:
            why = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            raise Misconfigured(f"failed to configure binding: {why}")
    found = [codec.to_dict(obj) for obj in _referenced(reference, resource, namespace, attributes)]
    if not found and reference.parameterNotFoundAction != ALLOW:
        why = "no params found for policy binding with `Deny` parameterNotFoundAction"
        raise Misconfigured(f"failed to configure binding: {why}")
    return [*found]


def _referenced(reference: Any, resource: Resource, namespace: str, attributes: Attributes) -> Iterator[Any]:
    assert resource.struct is not None  # stored resources have objects
    if reference.name:
        found = attributes.reader.cached(resource.struct, namespace, reference.name)
        if found is not None:
            yield found
    elif reference.selector is not None:
        wanted = selectors.from_struct(reference.selector)
        for obj in attributes.reader.all_cached(resource.struct, namespace):
            if wanted.matches(obj.metadata.labels):
                yield obj
