"""The rules of Jobs (Kubernetes' apis/batch/validation)."""

from collections.abc import Iterator

import msgspec

from master.registry.templates import not_selected, selects
from master.registry.validation.common import is_domain_path, is_qualified, not_negative, repeats
from master.registry.validation.placement import validate_selector
from master.registry.validation.podspec import validate_template
from timonel.api.fields import (
    OMITTED,
    FieldError,
    Path,
    duplicate,
    invalid,
    not_supported,
    quoted,
    required,
    too_long,
    too_many,
)
from timonel.api.types import batch_v1, core_v1

INDEXED = "Indexed"
NON_INDEXED = "NonIndexed"
NEVER = "Never"
FAILED = "Failed"
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
MAX_PARALLEL = 100_000
MAX_RULES = 20
MAX_EXIT_CODES = 255
MAX_MANAGER = 63
COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def validate_job(spec: batch_v1.JobSpec, path: Path) -> Iterator[FieldError]:
    """A Job's spec as it runs: with its selector."""
    yield from validate_job_spec(spec, path)
    if spec.selector is None:
        yield required(path.child("selector"))
        yield not_selected(spec.template, path)
        return
    faults = list(validate_selector(spec.selector, path.child("selector")))
    yield from faults
    if not faults and not selects(spec.selector, spec.template):
        yield not_selected(spec.template, path)


def validate_job_spec(spec: batch_v1.JobSpec, path: Path) -> Iterator[FieldError]:
    """A Job's spec, the selector aside."""
    for field in COUNTS:
        yield from not_negative(path.child(field), getattr(spec, field))
    if spec.managedBy is not None:
        yield from _manager(spec.managedBy, path.child("managedBy"))
    yield from _completion(spec, path)
    if spec.podFailurePolicy:
        yield from _failure_policy(spec, spec.podFailurePolicy, path.child("podFailurePolicy"))
    if spec.successPolicy:
        yield from _success_policy(spec, spec.successPolicy, path.child("successPolicy"))
    yield from _replacement(spec, path.child("podReplacementPolicy"))
    yield from validate_template(spec.template, path.child("template"))
    yield from _restart(spec, path.child("template", "spec", "restartPolicy"))


def _manager(name: str, path: Path) -> Iterator[FieldError]:
    yield from is_domain_path(path, name)
    if len(name) > MAX_MANAGER:
        yield too_long(path, MAX_MANAGER)


def _completion(spec: batch_v1.JobSpec, path: Path) -> Iterator[FieldError]:
    mode, completions = spec.completionMode, spec.completions
    if mode is not None and mode not in (NON_INDEXED, INDEXED):
        yield not_supported(path.child("completionMode"), mode, [NON_INDEXED, INDEXED])
    if mode == INDEXED:
        if completions is None:
            yield required(path.child("completions"), f"when completion mode is {INDEXED}")
        if (spec.parallelism or 0) > MAX_PARALLEL:
            why = f"must be less than or equal to {MAX_PARALLEL} when completion mode is {INDEXED}"
            yield invalid(path.child("parallelism"), spec.parallelism, why)
    elif mode == NON_INDEXED and spec.backoffLimitPerIndex is not None:
        yield invalid(path.child("backoffLimitPerIndex"), spec.backoffLimitPerIndex, "requires indexed completion mode")
    if spec.maxFailedIndexes is not None:
        if mode == NON_INDEXED:
            yield invalid(path.child("maxFailedIndexes"), spec.maxFailedIndexes, "requires indexed completion mode")
        if spec.backoffLimitPerIndex is None:
            yield required(path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified")
        if completions is not None and spec.maxFailedIndexes > completions:
            why = "must be less than or equal to completions"
            yield invalid(path.child("maxFailedIndexes"), spec.maxFailedIndexes, why)


def _restart(spec: batch_v1.JobSpec, path: Path) -> Iterator[FieldError]:
    """Pods of a Job are meant to end."""
    policy = spec.template.spec.restartPolicy
    if policy in (None, "", "Always"):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", NEVER):
        yield not_supported(path, policy, ["OnFailure", NEVER])
    elif spec.podFailurePolicy and policy != NEVER:
        yield invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _replacement(spec: batch_v1.JobSpec, path: Path) -> Iterator[FieldError]:
    allowed = [FAILED] if spec.podFailurePolicy else [FAILED, "TerminatingOrFailed"]
    if spec.podReplacementPolicy is not None and spec.podReplacementPolicy not in allowed:
        yield not_supported(path, spec.podReplacementPolicy, allowed)


def _failure_policy(spec: batch_v1.JobSpec, policy: batch_v1.PodFailurePolicy, path: Path) -> Iterator[FieldError]:
    at = path.child("rules")
    if len(policy.rules) > MAX_RULES:
        yield too_many(at, len(policy.rules), MAX_RULES)
    for index, rule in enumerate(policy.rules):
        yield from _rule(spec, rule, at.index(index))


def _rule(spec: batch_v1.JobSpec, rule: batch_v1.PodFailurePolicyRule, path: Path) -> Iterator[FieldError]:
    at = path.child("action")
    if not rule.action:
        yield required(at, f"valid values: [{' '.join(quoted(action) for action in ACTIONS)}]")
    elif rule.action not in ACTIONS:
        yield not_supported(at, rule.action, ACTIONS)
    elif rule.action == "FailIndex" and spec.backoffLimitPerIndex is None:
        yield invalid(at, rule.action, "requires the backoffLimitPerIndex to be set")
    if rule.onExitCodes and rule.onPodConditions:
        yield invalid(path, OMITTED, "specifying both OnExitCodes and OnPodConditions is not supported")
    if not rule.onExitCodes and not rule.onPodConditions:
        yield invalid(path, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required")
    if rule.onExitCodes:
        yield from _exit_codes(spec.template, rule.onExitCodes, path.child("onExitCodes"))
    conditions = path.child("onPodConditions")
    if len(rule.onPodConditions) > MAX_RULES:
        yield too_many(conditions, len(rule.onPodConditions), MAX_RULES)
    for index, pattern in enumerate(rule.onPodConditions):
        yield from is_qualified(conditions.index(index).child("type"), pattern.type)
        if pattern.status not in ("True", "False", "Unknown"):
            yield not_supported(conditions.index(index).child("status"), pattern.status, ("False", "True", "Unknown"))


def _exit_codes(
    template: core_v1.PodTemplateSpec, codes: batch_v1.PodFailurePolicyOnExitCodesRequirement, path: Path
) -> Iterator[FieldError]:
    if not codes.operator:
        yield required(path.child("operator"), 'valid values: ["In" "NotIn"]')
    elif codes.operator not in ("In", "NotIn"):
        yield not_supported(path.child("operator"), codes.operator, ("In", "NotIn"))
    containers = {container.name for container in (*template.spec.containers, *template.spec.initContainers)}
    if codes.containerName is not None and codes.containerName not in containers:
        why = "must be one of the container or initContainer names in the pod template"
        yield invalid(path.child("containerName"), codes.containerName, why)
    at = path.child("values")
    if not codes.values:
        yield invalid(at, None, "at least one value is required")
    if len(codes.values) > MAX_EXIT_CODES:
        yield too_many(at, len(codes.values), MAX_EXIT_CODES)
    again = repeats(codes.values)
    for index, value in enumerate(codes.values):
        if codes.operator == "In" and value == 0:
            yield invalid(at.index(index), value, "must not be 0 for the In operator")
        if again[index]:
            yield duplicate(at.index(index), value)
    if sorted(codes.values) != codes.values:
        yield invalid(at, codes.values, "must be ordered")


def _success_policy(spec: batch_v1.JobSpec, policy: batch_v1.SuccessPolicy, path: Path) -> Iterator[FieldError]:
    if spec.completionMode != INDEXED:
        yield invalid(path, policy, "requires indexed completion mode")
        return
    at = path.child("rules")
    if not policy.rules:
        yield required(at, "at least one rules must be specified when the successPolicy is specified")
    if len(policy.rules) > MAX_RULES:
        yield too_many(at, len(policy.rules), MAX_RULES)
    for index, rule in enumerate(policy.rules):
        here = at.index(index)
        if rule.succeededCount is None and rule.succeededIndexes is None:
            yield required(here, "at least one of succeededCount or succeededIndexes must be specified")
        listed = None
        if rule.succeededIndexes is not None:
            listed, why = count_indexes(rule.succeededIndexes, spec.completions or 0)
            if why:
                why = f"error parsing succeededIndexes: {why}"
                yield invalid(here.child("succeededIndexes"), rule.succeededIndexes, why)
        yield from not_negative(here.child("succeededCount"), rule.succeededCount)
        if rule.succeededCount is not None and spec.completions is not None and rule.succeededCount > spec.completions:
            why = f"must be less than or equal to {spec.completions} (the number of specified completions)"
            yield invalid(here.child("succeededCount"), rule.succeededCount, why)
        if rule.succeededCount is not None and listed is not None and rule.succeededCount > listed:
            whole = "the number of indexes in the specified succeededIndexes field"
            why = f"must be less than or equal to {listed} ({whole})"
            yield invalid(here.child("succeededCount"), rule.succeededCount, why)


def count_indexes(text: str, completions: int) -> tuple[int, str]:
    """How many indexes a text such as ``0,2-5`` lists, and what is wrong with it; then it lists none."""
    total, before = 0, -1
    for part in text.split(",") if text else ():
        ends = part.split("-")
        if len(ends) > 2:
            rule = "an index interval can have at most two parts separated by '-'"
            return 0, f"the fragment {quoted(part)} violates the requirement that {rule}"
        for end in ends:
            if not end.isdecimal():
                return 0, f"cannot convert string to integer for index: {quoted(end)}"
            if int(end) >= completions:
                return 0, f"too large index: {quoted(end)}"
        first, last = int(ends[0]), int(ends[-1])
        if first <= before:
            return 0, f"non-increasing order, previous: {before}, current: {first}"
        if len(ends) == 2 and last <= first:
            return 0, f"non-increasing order, previous: {first}, current: {last}"
        total, before = total + last - first + 1, last
    return total, ""


def validate_job_change(new: batch_v1.Job, old: batch_v1.Job) -> Iterator[FieldError]:
    """What stays of a Job: all but how many pods run at once, its limits, and whether it is held back."""
    path = Path("spec")
    theirs, ours = new.spec, old.spec
    elastic = theirs.completionMode == INDEXED and theirs.completions == theirs.parallelism
    fixed = ["podFailurePolicy", "selector", "completionMode", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    if not elastic:
        fixed.insert(0, "completions")
    for field in fixed:
        if getattr(theirs, field) != getattr(ours, field):
            yield invalid(path.child(field), getattr(theirs, field), "field is immutable")
    held = bool(ours.suspend) and old.status.startTime is None
    if _fixed_template(theirs.template, held=held) != _fixed_template(ours.template, held=held):
        yield invalid(path.child("template"), theirs.template, "field is immutable")


def _fixed_template(template: core_v1.PodTemplateSpec, *, held: bool) -> tuple[object, ...]:
    """The part of a template that stays; while a Job has not begun, where its pods may go is still open."""
    if not held:
        return template.metadata, template.spec
    spec = msgspec.structs.replace(template.spec, nodeSelector={}, affinity=None, tolerations=[], schedulingGates=[])
    metadata = msgspec.structs.replace(template.metadata, labels={}, annotations={})
    return metadata, spec
