"""The status of validating admission policies: what their expressions get wrong about the kinds that they match.

Expressions are checked without types when a policy is made; here they are checked again, with the schema of each kind
that the policy names without wildcards. Source: Kubernetes' documentation of type checking of admission policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from master.controllers.actions import Action, SetStatus
from master.controllers.controller import controller
from master.controllers.view import View
from master.registry.cel.failures import CompileError
from master.registry.custom.builtin import structural_of
from master.registry.custom.schema import Structural, compiled
from master.registry.strategy import KINDS
from timonel.api import codec
from timonel.api.gvk import GVK
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import apiextensions_v1, meta_v1

if TYPE_CHECKING:
    from master.registry.cel.admission import Vocabulary

MOST_KINDS = 10
WILDCARD = "*"

Schemas = Mapping[tuple[str, str, str], tuple[GVK, Structural]]


@controller(v1.ValidatingAdmissionPolicy, account="validatingadmissionpolicy-status-controller")
def validating_admission_policy(policy: v1.ValidatingAdmissionPolicy, view: View, now: datetime) -> Iterator[Action]:
    """Check a policy once a generation."""
    if policy.status.observedGeneration == policy.metadata.generation:
        return
    changed = codec.copy(policy)
    changed.status.observedGeneration = policy.metadata.generation
    changed.status.typeChecking = v1.TypeChecking(expressionWarnings=_warnings(policy.spec, view))
    yield SetStatus(changed)


def _warnings(spec: v1.ValidatingAdmissionPolicySpec, view: View) -> list[v1.ExpressionWarning]:
    kind = spec.paramKind
    params = _schema(GVK.parse(kind.apiVersion, kind.kind or ""), view) if kind else None
    kinds = sorted(_matched(spec, view), key=str)[:MOST_KINDS]
    vocabularies = [(gvk, _vocabulary(spec, schema, params)) for gvk in kinds if (schema := _schema(gvk, view))]
    found = []
    for index, validation in enumerate(spec.validations):
        for field in ("expression", "messageExpression"):
            text = getattr(validation, field)
            faults = [
                f"{gvk.api_version if gvk.group else f'/{gvk.version}'}, Kind={gvk.kind}: {fault}\n"
                for gvk, words in vocabularies
                if text and (fault := _fault(words, text, authorizer=field == "expression"))
            ]
            if faults:
                place = f"spec.validations[{index}].{field}"
                found.append(v1.ExpressionWarning(fieldRef=place, warning="\n".join(faults)))
    return found


def _fault(words: Vocabulary, text: str, *, authorizer: bool) -> str:
    try:
        words.compile(text, authorizer=authorizer)
    except CompileError as error:
        return str(error)
    return ""


def _vocabulary(spec: v1.ValidatingAdmissionPolicySpec, schema: Structural, params: Structural | None) -> Vocabulary:
    from master.registry.cel.admission import Vocabulary

    words = Vocabulary(params=spec.paramKind is not None, schema=schema, params_schema=params)
    for variable in spec.variables:
        try:
            words.define(variable.name, variable.expression)
        except CompileError:
            continue  # Kubernetes warns of validations only
    return words


def _matched(spec: v1.ValidatingAdmissionPolicySpec, view: View) -> set[GVK]:
    """The kinds that the rules name, each by itself."""
    rules = spec.matchConstraints.resourceRules if spec.matchConstraints else []
    named = {
        (group, version, resource)
        for rule in rules
        for group in rule.apiGroups
        for version in rule.apiVersions
        for resource in rule.resources
        if WILDCARD not in (group, version, resource) and "/" not in resource
    }
    built_in = {_place(each.resource): each.resource.gvk for each in KINDS.values()}
    custom = {
        (each.group, version.name, each.names.plural): GVK(each.group, version.name, each.names.kind)
        for each in (found.spec for found in view.list(apiextensions_v1.CustomResourceDefinition))
        for version in each.versions
    }
    known = built_in | custom
    return {known[place] for place in named if place in known}


def _place(resource: Any) -> tuple[str, str, str]:
    return resource.gvk.group, resource.gvk.version, resource.plural


def _schema(gvk: GVK, view: View) -> Structural | None:
    """What is known of the objects of a kind."""
    struct = next((struct for struct, strategy in KINDS.items() if strategy.resource.gvk == gvk), None)
    if struct is not None:
        return structural_of(struct)
    for definition in view.list(apiextensions_v1.CustomResourceDefinition):
        if (definition.spec.group, definition.spec.names.kind) != (gvk.group, gvk.kind):
            continue
        for version in definition.spec.versions:
            if version.name == gvk.version and version.schema and version.schema.openAPIV3Schema:
                return _with_head(compiled(codec.to_dict(version.schema.openAPIV3Schema)))
    return None


def _with_head(schema: Structural) -> Structural:
    """The schema of a custom resource, which says nothing of what every object has."""
    text = Structural({}, type="string")
    schema.properties |= {"apiVersion": text, "kind": text, "metadata": structural_of(meta_v1.ObjectMeta)}
    return schema
