"""Priority and fairness: keeps the objects of every cluster up, and says of a FlowSchema whether its level exists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from master.controllers.actions import Action, Create, Delete, SetStatus, Update
from master.controllers.controller import API_SERVER, Key, Wake, controller, key_of
from master.controllers.view import View
from master.registry.base import Verb
from master.registry.flow_bootstrap import steps
from timonel.api import codec, time
from timonel.api.types import core_v1
from timonel.api.types import flowcontrol_v1 as v1

HOME = "kube-system"
"""The namespace with which the objects of every cluster are looked at: they themselves may be gone."""
DANGLING = "Dangling"


def _home(obj: Any, view: View) -> Iterator[Key]:
    yield Key(core_v1.Namespace, "", HOME)


def _schemas(level: v1.PriorityLevelConfiguration, view: View) -> Iterator[Key]:
    for schema in view.list(v1.FlowSchema):
        if schema.spec.priorityLevelConfiguration.name == level.metadata.name:
            yield key_of(schema)


@controller(
    core_v1.Namespace,
    wakes_on=[Wake(v1.FlowSchema, _home), Wake(v1.PriorityLevelConfiguration, _home)],
    account=API_SERVER,
)
def flowcontrol_upkeep(namespace: core_v1.Namespace, view: View, now: datetime) -> Iterator[Action]:
    """Make what is missing, and mend what has been changed, see `registry.flow_bootstrap`."""
    if namespace.metadata.name != HOME:
        return
    actions = {Verb.CREATE: Create, Verb.UPDATE: Update, Verb.DELETE: Delete}
    for step in steps([*view.list(v1.FlowSchema), *view.list(v1.PriorityLevelConfiguration)]):
        yield actions[step.verb](step.obj)


@controller(v1.FlowSchema, wakes_on=[Wake(v1.PriorityLevelConfiguration, _schemas)], account=API_SERVER)
def flowschema(schema: v1.FlowSchema, view: View, now: datetime) -> Iterator[Action]:
    """Say whether the priority level that the schema names is missing."""
    name = schema.spec.priorityLevelConfiguration.name
    wanted = _dangling(name, there=view.get(v1.PriorityLevelConfiguration, "", name) is not None)
    present = next((each for each in schema.status.conditions if each.type == DANGLING), None)
    if present is not None and (present.status, present.message) == (wanted.status, wanted.message):
        return
    changed = present is None or present.status != wanted.status
    wanted.lastTransitionTime = time.text(now) if changed or present is None else present.lastTransitionTime
    told = codec.copy(schema)
    told.status.conditions = [*(each for each in told.status.conditions if each.type != DANGLING), wanted]
    yield SetStatus(told)


def _dangling(name: str, *, there: bool) -> v1.FlowSchemaCondition:
    tail = "and it exists" if there else "but there is no such object"
    return v1.FlowSchemaCondition(
        type=DANGLING,
        status="False" if there else "True",
        reason="Found" if there else "NotFound",
        message=f'This FlowSchema references the PriorityLevelConfiguration object named "{name}" {tail}',
    )
