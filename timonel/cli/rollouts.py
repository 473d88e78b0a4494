"""The revisions of workloads: which there are, and how to go back to one. Pure.

A Deployment keeps them in its ReplicaSets; DaemonSets and StatefulSets keep ControllerRevisions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from timonel.api import codec
from timonel.api.types import core_v1
from timonel.cli.describe.workloads import comparable
from timonel.cli.errors import CliError

Object = dict[str, Any]

CARRIERS = {
    "Deployment": "replicasets.apps",
    "DaemonSet": "controllerrevisions.apps",
    "StatefulSet": "controllerrevisions.apps",
}
"""What keeps the revisions of which kind."""
REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
_OWN = {
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
}
"""Annotations that stay with the object they are on when it goes back to another revision."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A state that a workload has, or had."""

    number: int
    carrier: Object
    """The ReplicaSet or ControllerRevision that keeps it."""

    @property
    def annotations(self) -> dict[str, str]:
        """What was noted on it."""
        return dict(self.carrier["metadata"].get("annotations") or {})

    @property
    def cause(self) -> str:
        """Why it was made, if that was said."""
        return self.annotations.get(CAUSE, "")

    @property
    def template(self) -> core_v1.PodTemplateSpec:
        """How its pods are made, without what tells revisions apart."""
        spec = (self.carrier.get("spec") or (self.carrier.get("data") or {}).get("spec") or {}).get("template")
        if not spec:
            raise CliError(f"revision {self.number} has no template")
        return comparable(codec.convert(core_v1.PodTemplateSpec, {k: v for k, v in spec.items() if k != "$patch"}))


def revisions(workload: Object, carriers: Iterable[Object]) -> list[Revision]:
    """The workload's revisions, the oldest first."""
    uid = workload["metadata"]["uid"]
    found = []
    for each in carriers:
        owners = each["metadata"].get("ownerReferences") or ()
        if any(owner.get("controller") and owner["uid"] == uid for owner in owners) and (number := _number(each)):
            found.append(Revision(number, each))
    return sorted(found, key=lambda revision: revision.number)


def _number(carrier: Object) -> int:
    """The revision that it keeps; 0 when it does not say."""
    said = carrier.get("revision") or (carrier["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(said) if str(said).isdigit() else 0


def pick(found: list[Revision], number: int) -> Revision:
    """The revision of that number; 0 is the one before the newest.

    Raises:
        CliError: there is none such.
    """
    if number == 0:
        if len(found) < 2:
            raise CliError("no rollout history found: there is no revision to go back to")
        return found[-2]
    for revision in found:
        if revision.number == number:
            return revision
    raise CliError(f"unable to find specified revision {number} in history")


def is_current(workload: Object, revision: Revision) -> bool:
    """Whether the workload's template is that revision's already."""
    return revision.template == comparable(codec.convert(core_v1.PodTemplateSpec, workload["spec"]["template"]))


def undo_patch(workload: Object, revision: Revision) -> list[Object]:
    """The JSON patch that brings the workload back to a revision: its template, and what a ReplicaSet noted of it."""
    patch = [{"op": "replace", "path": "/spec/template", "value": codec.to_dict(revision.template)}]
    if "spec" in revision.carrier:
        kept = {key: text for key, text in (workload["metadata"].get("annotations") or {}).items() if key in _OWN}
        old = {key: text for key, text in revision.annotations.items() if key not in _OWN}
        patch.append({"op": "add", "path": "/metadata/annotations", "value": kept | old})
    return patch
