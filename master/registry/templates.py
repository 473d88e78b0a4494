"""What kinds that make pods from a template have in common."""

from collections.abc import Callable, Iterator, Mapping

from master.registry.validation.placement import validate_selector
from master.registry.validation.podspec import validate_template
from timonel.api import selectors
from timonel.api.errors import BadRequest
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import core_v1, meta_v1

EMPTY_FOR = {"DaemonSet": "daemonset", "StatefulSet": "statefulset"}
"""How messages about empty selectors name a kind; those about ReplicaSets, as all others, speak of a deployment."""

TemplateRules = Callable[[core_v1.PodTemplateSpec, Path], Iterator[FieldError]]


def validate_workload(
    selector: meta_v1.LabelSelector | None,
    template: core_v1.PodTemplateSpec,
    old: core_v1.PodTemplateSpec | None,
    path: Path,
    kind: str = "ReplicaSet",
    rules: TemplateRules = validate_template,
) -> Iterator[FieldError]:
    """The selector selects something, and the template's pods among it; pods of it are restarted always.

    A template that is as it was is not looked at again. ``kind`` is named in messages; ``rules`` are the template's.
    """
    at = path.child("selector")
    faults = list(validate_selector(selector, at)) if selector else []
    yield from faults
    if kind != "DaemonSet":
        if selector is None:
            yield required(at)
        if faults:
            yield invalid(at, selector, "" if kind == "StatefulSet" else "invalid label selector")
    if selector == meta_v1.LabelSelector():
        yield invalid(at, selector, f"empty selector is invalid for {EMPTY_FOR.get(kind, 'deployment')}")
    elif not faults and not selects(selector, template):
        yield not_selected(template, path)
    if old != template:
        yield from validate_lasting_template(template, path.child("template"), kind, rules)


def not_selected(template: core_v1.PodTemplateSpec, path: Path) -> FieldError:
    """The fault of a template whose pods the selector beside it does not select."""
    why = "`selector` does not match template `labels`"
    return invalid(path.child("template", "metadata", "labels"), template.metadata.labels or None, why)


def validate_lasting_template(
    template: core_v1.PodTemplateSpec, path: Path, kind: str, rules: TemplateRules = validate_template
) -> Iterator[FieldError]:
    """The template of pods that are not meant to end."""
    yield from rules(template, path)
    if template.spec.restartPolicy != "Always":
        yield not_supported(path.child("spec", "restartPolicy"), template.spec.restartPolicy, ["Always"])
    if template.spec.activeDeadlineSeconds is not None:
        why = f"activeDeadlineSeconds in {kind} is not Supported"
        yield forbidden(path.child("spec", "activeDeadlineSeconds"), why)


def selects(selector: meta_v1.LabelSelector | None, template: core_v1.PodTemplateSpec) -> bool:
    """Whether the template's pods are among those that the selector selects."""
    if selector is None or (not selector.matchLabels and not selector.matchExpressions):
        return False
    try:
        return selectors.from_struct(selector).matches(template.metadata.labels)
    except BadRequest:
        return False


def container_names(template: core_v1.PodTemplateSpec) -> str:
    """For the wide table."""
    return ",".join(container.name for container in template.spec.containers)


def images(template: core_v1.PodTemplateSpec) -> str:
    """For the wide table."""
    return ",".join(container.image or "" for container in template.spec.containers)


def selector_text(selector: meta_v1.LabelSelector | Mapping[str, str] | None) -> str:
    """For the wide table."""
    if selector is None:
        return "<none>"
    if isinstance(selector, Mapping):
        return str(selectors.from_map(selector)) or "<none>"
    try:
        return str(selectors.from_struct(selector))
    except BadRequest:
        return "<invalid>"


def labels_text(labels: Mapping[str, str]) -> str:
    """For the wide table."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"
