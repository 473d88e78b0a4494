"""The rules of admission policies and their bindings (Kubernetes' apis/admissionregistration/validation).

The kinds of two API versions come here, which have the same fields; so the types are `Any` where both do.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from master.registry.validation.common import is_given, is_qualified, is_subdomain, obeys, repeats
from master.registry.validation.expressions import Expressions
from master.registry.validation.placement import validate_selector
from master.registry.validation.webhooks import (
    EQUIVALENT,
    FAIL,
    MATCH_POLICIES,
    default_rules,
    validate_conditions,
    validate_policies,
    validate_rule,
)
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_supported, required, too_many
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import admissionregistration_v1beta1 as v1beta1
from timonel.api.types import meta_v1

SPEC = Path("spec")
REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS = ("Audit", "Deny", "Warn")
PATCHES = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
MAX_ANNOTATIONS = 20
BOTH_ACTIONS = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)
NOTHING = "validations or auditAnnotations must contain at least one item"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def default_match(resources: Any) -> None:
    """Everything that the rules name, in whatever version."""
    if resources.matchPolicy is None:
        resources.matchPolicy = EQUIVALENT
    resources.namespaceSelector = resources.namespaceSelector or meta_v1.LabelSelector()
    resources.objectSelector = resources.objectSelector or meta_v1.LabelSelector()
    default_rules(resources.resourceRules)
    default_rules(resources.excludeResourceRules)


def default_policy(spec: Any) -> None:
    """A request fails when its judging fails."""
    if spec.failurePolicy is None:
        spec.failurePolicy = FAIL
    if spec.matchConstraints:
        default_match(spec.matchConstraints)


def validate_validating_policy(spec: v1.ValidatingAdmissionPolicySpec, name: str) -> Iterator[FieldError]:
    """What the policy of that name judges, and how."""
    expressions = Expressions(params=spec.paramKind is not None)
    yield from _common(spec, expressions)
    if not spec.validations and not spec.auditAnnotations:
        yield required(SPEC.child("validations"), NOTHING)
        yield required(SPEC.child("auditAnnotations"), NOTHING)
    for index, validation in enumerate(spec.validations):
        yield from _validation(validation, SPEC.child("validations").index(index), expressions)
    yield from _audit(spec.auditAnnotations, name, SPEC.child("auditAnnotations"), expressions)


def validate_mutating_policy(spec: v1beta1.MutatingAdmissionPolicySpec) -> Iterator[FieldError]:
    """What a policy changes, and how."""
    expressions = Expressions(params=spec.paramKind is not None)
    yield from _common(spec, expressions)
    if not spec.reinvocationPolicy:
        yield required(SPEC.child("reinvocationPolicy"))
    elif spec.reinvocationPolicy not in ("IfNeeded", "Never"):
        yield not_supported(SPEC.child("reinvocationPolicy"), spec.reinvocationPolicy, ("IfNeeded", "Never"))
    if not spec.mutations:
        yield required(SPEC.child("mutations"), "mutations must contain at least one item")
    for index, mutation in enumerate(spec.mutations):
        at = SPEC.child("mutations").index(index)
        if mutation.patchType not in PATCHES:
            yield not_supported(at.child("patchType"), mutation.patchType, PATCHES)
        for type_, field in PATCHES.items():
            patch = getattr(mutation, field)
            if type_ != mutation.patchType:
                if patch is not None:
                    yield invalid(at.child(field), "", f"must not be specified when patchType is {mutation.patchType}")
            elif patch is None:
                yield required(at.child(field), f"must be specified when patchType is {type_}")
            elif not patch.expression.strip():
                yield required(at.child(field, "expression"), "expression is not specified")
            else:
                yield from expressions.mutation_faults(patch.expression, type_, at.child(field, "expression"))


def _common(spec: Any, expressions: Expressions) -> Iterator[FieldError]:
    if spec.paramKind:
        yield from _param_kind(spec.paramKind, SPEC.child("paramKind"))
    yield from validate_policies(spec, SPEC)
    if spec.matchConstraints is None:
        yield required(SPEC.child("matchConstraints"))
    else:
        at = SPEC.child("matchConstraints")
        yield from validate_match(spec.matchConstraints, at)
        if not spec.matchConstraints.resourceRules:
            yield required(at.child("resourceRules"))
    yield from validate_conditions(spec.matchConditions, SPEC.child("matchConditions"), expressions)
    yield from _variables(spec.variables, SPEC.child("variables"), expressions)


def validate_match(resources: Any, path: Path) -> Iterator[FieldError]:
    """Which requests are meant."""
    if resources.matchPolicy not in MATCH_POLICIES:
        yield not_supported(path.child("matchPolicy"), resources.matchPolicy, MATCH_POLICIES)
    for field in ("namespaceSelector", "objectSelector"):
        if selector := getattr(resources, field):
            yield from validate_selector(selector, path.child(field))
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(getattr(resources, field)):
            at = path.child(field).index(index)
            yield from validate_rule(rule, at)
            for number, name in enumerate(rule.resourceNames):
                yield from obeys(at.child("resourceNames").index(number), name, names.path_segment)
                if name in rule.resourceNames[:number]:
                    yield duplicate(at.child("resourceNames").index(number), name)


def _param_kind(kind: Any, path: Path) -> Iterator[FieldError]:
    version, at = kind.apiVersion, path.child("apiVersion")
    if not version:
        yield required(at)
    elif version.count("/") > 1:
        yield invalid(at, version, f"unexpected GroupVersion string: {version}")
    else:
        group, slash, number = version.rpartition("/")
        if slash:
            yield from is_subdomain(at, group)
        for fault in names.label_1035(number):
            yield invalid(at, version, fault)
    if not kind.kind:
        yield required(path.child("kind"))
    else:
        for fault in names.label_1035(kind.kind.lower()):
            yield invalid(path.child("kind"), kind.kind, f"may have mixed case, but should otherwise match: {fault}")


def _variables(variables: Sequence[Any], path: Path, expressions: Expressions) -> Iterator[FieldError]:
    for index, variable in enumerate(variables):
        at = path.index(index)
        if not variable.name:
            yield required(at.child("name"), "name is not specified")
        elif not _IDENTIFIER.fullmatch(variable.name):
            yield invalid(at.child("name"), variable.name, "must be a valid CEL identifier")
        if not variable.expression.strip():
            yield required(at.child("expression"), "expression is not specified")
        else:
            yield from expressions.variable_faults(variable, at.child("expression"))


def _validation(validation: v1.Validation, path: Path, expressions: Expressions) -> Iterator[FieldError]:
    if not validation.expression.strip():
        yield required(path.child("expression"), "expression is not specified")
    else:
        yield from expressions.faults(validation.expression, path.child("expression"), "bool")
    message = validation.message
    if message and not message.strip():
        yield invalid(path.child("message"), message, "message must be non-empty if specified")
    elif message and "\n" in message.strip():
        yield invalid(path.child("message"), message, "must not contain line breaks")
    if validation.messageExpression and not validation.messageExpression.strip():
        why = "must be non-empty if specified"
        yield invalid(path.child("messageExpression"), validation.messageExpression, why)
    elif validation.messageExpression:
        at = path.child("messageExpression")
        yield from expressions.faults(validation.messageExpression, at, "string", authorizer=False)
    if validation.reason is not None and validation.reason not in REASONS:
        yield not_supported(path.child("reason"), validation.reason, REASONS)


def _audit(
    annotations: Sequence[v1.AuditAnnotation], policy: str, path: Path, expressions: Expressions
) -> Iterator[FieldError]:
    if len(annotations) > MAX_ANNOTATIONS:
        yield too_many(path, len(annotations), MAX_ANNOTATIONS)
    seen: set[str] = set()
    for index, annotation in enumerate(annotations):
        at = path.index(index)
        if policy:
            yield from is_qualified(at.child("key"), f"{policy}/{annotation.key}")
        else:
            yield invalid(at.child("key"), annotation.key, "requires metadata.name be non-empty")
        if annotation.key in seen:
            yield duplicate(at.child("key"), annotation.key)
        seen.add(annotation.key)
        if not annotation.valueExpression.strip():
            yield required(at.child("valueExpression"), "valueExpression is not specified")
        else:
            yield from expressions.faults(
                annotation.valueExpression, at.child("valueExpression"), "string", "null_type"
            )


def validate_policy_binding(spec: Any) -> Iterator[FieldError]:
    """Which policy is bound, to which parameters and resources."""
    yield from is_given(SPEC.child("policyName"), spec.policyName, names.subdomain)
    if spec.paramRef:
        yield from _param_ref(spec.paramRef, SPEC.child("paramRef"))
    if spec.matchResources:
        yield from validate_match(spec.matchResources, SPEC.child("matchResources"))


def validate_actions(actions: Sequence[str]) -> Iterator[FieldError]:
    """What is done when a validation fails."""
    path = SPEC.child("validationActions")
    if not actions:
        yield required(path, "at least one validation action is required")
    again = repeats(actions)
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            yield not_supported(path.index(index), action, ACTIONS)
        if again[index]:
            yield duplicate(path.index(index), action)
    if {"Deny", "Warn"} <= set(actions):
        yield invalid(path, list(actions), BOTH_ACTIONS)


def _param_ref(reference: Any, path: Path) -> Iterator[FieldError]:
    if reference.name and reference.selector:
        yield forbidden(path.child("name"), "name and selector are mutually exclusive")
        yield forbidden(path.child("selector"), "name and selector are mutually exclusive")
    elif reference.name:
        yield from obeys(path.child("name"), reference.name, names.path_segment)
    elif reference.selector:
        yield from validate_selector(reference.selector, path.child("selector"))
    else:
        yield required(path, "one of name or selector must be specified")
    at = path.child("parameterNotFoundAction")
    if not reference.parameterNotFoundAction:
        yield required(at)
    elif reference.parameterNotFoundAction not in ("Allow", "Deny"):
        yield not_supported(at, reference.parameterNotFoundAction, ("Deny", "Allow"))


def param_kind_text(kind: Any) -> str:
    """For the table."""
    return f"{kind.apiVersion}/{kind.kind}" if kind else "<unset>"


def param_ref_text(reference: Any) -> str:
    """For the table."""
    if reference is None:
        return "<unset>"
    name = reference.name or "*"
    return f"{reference.namespace}/{name}" if reference.namespace else name
