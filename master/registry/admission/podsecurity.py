"""Pods keep to the Pod Security Standards that their namespace's labels ask for: Kubernetes' plugin PodSecurity.

Only pods are refused; for what makes pods the caller is warned, and what the mode ``audit`` finds is in the audit log.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.base import Verb
from master.registry.podsecurity.base import Subject, Violation
from master.registry.podsecurity.levels import AUDIT, ENFORCE, PREFIX, WARN, policy_of, validate_labels
from master.registry.remarks import remark
from timonel.api.errors import Invalid
from timonel.api.fields import Path
from timonel.api.types import apps_v1, batch_v1, core_v1

WITH_TEMPLATES = (
    apps_v1.DaemonSet,
    apps_v1.Deployment,
    apps_v1.ReplicaSet,
    apps_v1.StatefulSet,
    batch_v1.Job,
    core_v1.ReplicationController,
)
MOST_PODS = 3000
"""How many pods of a namespace are looked at when its labels change; Kubernetes stops there too."""


class PodSecurity(Plugin):
    """Judges pods, their templates, and the labels of namespaces."""

    order: ClassVar[int] = 70
    kinds = frozenset({core_v1.Pod, core_v1.Namespace, core_v1.PodTemplate, batch_v1.CronJob, *WITH_TEMPLATES})
    operations = frozenset({Verb.CREATE, Verb.UPDATE})

    def sees(self, attributes: Attributes) -> bool:
        """Ephemeral containers are containers like others."""
        return attributes.call.subresource in ("", "ephemeralcontainers") and self._sees_kind(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Refuse pods that break what is enforced; warn of the rest.

        Raises:
            Forbidden: a pod breaks the rules.
            Invalid: a namespace's labels name no level or version.
        """
        obj, old = attributes.object, attributes.old
        if isinstance(obj, core_v1.Namespace):
            _namespace(attributes, obj, old)
            return
        if old is not None and _same(_subject(obj), _subject(old)):
            return
        labels = await _labels(attributes)
        if isinstance(obj, core_v1.Pod):
            policy = policy_of(labels, ENFORCE)
            remark(f"{PREFIX}enforce-policy", str(policy))
            _audit(labels, obj)
            found = policy.violations(_subject(obj))
            if found:
                raise attributes.forbidden(f'violates PodSecurity "{policy}": {_listed(found)}')
        else:
            _audit(labels, obj)
        policy = policy_of(labels, WARN)
        found = policy.violations(_subject(obj))
        if found:
            attributes.call.warn(f'would violate PodSecurity "{policy}": {_listed(found)}')


def _audit(labels: dict[str, str], obj: Any) -> None:
    policy = policy_of(labels, AUDIT)
    found = policy.violations(_subject(obj))
    if found:
        remark(f"{PREFIX}audit-violations", f'would violate PodSecurity "{policy}": {_listed(found)}')


def _namespace(attributes: Attributes, new: core_v1.Namespace, old: core_v1.Namespace | None) -> None:
    """Labels that can be read; and what runs already is let be, but named."""
    faults = list(validate_labels(new.metadata.labels, Path("metadata.labels")))
    if faults:
        raise Invalid("Namespace", new.metadata.name or "", faults)
    policy = policy_of(new.metadata.labels, ENFORCE)
    if old is None or policy == policy_of(old.metadata.labels, ENFORCE):
        return
    reasons: dict[str, list[str]] = defaultdict(list)
    for number, pod in enumerate(attributes.reader.all_cached(core_v1.Pod, new.metadata.name or "")):
        if number == MOST_PODS:
            break
        found = policy.violations(_subject(pod))
        if found:
            reasons[", ".join(violation.reason for violation in found)].append(pod.metadata.name or "")
    if reasons:
        where = f'"{new.metadata.name}" violate the new PodSecurity enforce level "{policy}"'
        attributes.call.warn(f"existing pods in namespace {where}")
    for reason, pods in sorted(reasons.items(), key=lambda entry: entry[1][0]):
        others = len(pods) - 1
        more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
        attributes.call.warn(f"{pods[0]}{more}: {reason}")


async def _labels(attributes: Attributes) -> dict[str, str]:
    """What the namespace asks for."""
    reader, name = attributes.reader, attributes.call.namespace
    found = reader.cached(core_v1.Namespace, "", name) or await reader.current(core_v1.Namespace, "", name)
    labels = found.metadata.labels if found else {}
    return {key: value for key, value in labels.items() if key.startswith(PREFIX)}


def _subject(obj: Any) -> Subject:
    """The pod, or the template of the pods to come."""
    if isinstance(obj, core_v1.Pod):
        return Subject(obj.metadata, obj.spec)
    if isinstance(obj, core_v1.PodTemplate):
        return Subject(obj.template.metadata, obj.template.spec)
    if isinstance(obj, batch_v1.CronJob):
        return Subject(obj.spec.jobTemplate.spec.template.metadata, obj.spec.jobTemplate.spec.template.spec)
    template = obj.spec.template or core_v1.PodTemplateSpec()
    return Subject(template.metadata, template.spec)


def _same(new: Subject, old: Subject) -> bool:
    """Whether nothing has changed that the rules look at."""
    return new.spec == old.spec and new.metadata.annotations == old.metadata.annotations


def _listed(found: Iterable[Violation]) -> str:
    return ", ".join(map(str, found))
