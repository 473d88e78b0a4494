"""The revisions of a Deployment: which there are, and how to go back to one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from timonel.api import codec
from timonel.api.meta import is_controlled_by
from timonel.api.types import apps_v1
from timonel.cli.describe.workloads import comparable
from timonel.cli.errors import CliError

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
    """A state that a Deployment has, or had."""

    number: int
    cause: str
    replica_set: apps_v1.ReplicaSet


def revisions(deployment: apps_v1.Deployment, replica_sets: Iterable[apps_v1.ReplicaSet]) -> list[Revision]:
    """The Deployment's revisions, the oldest first."""
    found = []
    for each in replica_sets:
        number = each.metadata.annotations.get(REVISION, "")
        if number.isdigit() and is_controlled_by(each, deployment):
            found.append(Revision(int(number), each.metadata.annotations.get(CAUSE, ""), each))
    return sorted(found, key=lambda revision: revision.number)


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


def is_current(deployment: apps_v1.Deployment, revision: Revision) -> bool:
    """Whether the Deployment's template is that revision's already."""
    template = revision.replica_set.spec.template
    return template is not None and comparable(template) == comparable(deployment.spec.template)


def undo_patch(deployment: apps_v1.Deployment, revision: Revision) -> list[dict[str, Any]]:
    """The JSON patch that brings the Deployment back to a revision: its template, and what was noted on it."""
    template = revision.replica_set.spec.template
    if template is None:
        raise CliError(f"revision {revision.number} has no template")
    return [
        {"op": "replace", "path": "/spec/template", "value": codec.to_dict(comparable(template))},
        {"op": "add", "path": "/metadata/annotations", "value": _annotations(deployment, revision)},
    ]


def _annotations(deployment: apps_v1.Deployment, revision: Revision) -> Mapping[str, str]:
    kept = {key: value for key, value in deployment.metadata.annotations.items() if key in _OWN}
    old = {key: value for key, value in revision.replica_set.metadata.annotations.items() if key not in _OWN}
    return kept | old
