"""The FlowSchemas and PriorityLevelConfigurations that every cluster has, and how they are kept up.

Of the mandatory ones the spec is always as here. A suggested one follows as long as its annotation
``apf.kubernetes.io/autoupdate-spec`` is "true", or is absent and nobody has changed the spec; what has the annotation
but is suggested no longer is deleted. Source: Kubernetes' documentation of API Priority and Fairness.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from master.registry.base import Verb, component
from master.registry.verbs import Registry
from timonel.api import codec
from timonel.api.errors import AlreadyExists, Conflict, NotFound
from timonel.api.types import flowcontrol_v1 as v1
from timonel.api.types import meta_v1

AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
MANDATORY = frozenset({"exempt", "catch-all"})
ALL = ["*"]

Flow = v1.FlowSchema | v1.PriorityLevelConfiguration


class Step(NamedTuple):
    """What to do about one object: create, update or delete it."""

    verb: Verb
    obj: Flow


def levels() -> list[v1.PriorityLevelConfiguration]:
    """The priority levels."""
    exempt = v1.PriorityLevelConfigurationSpec(
        type="Exempt", exempt=v1.ExemptPriorityLevelConfiguration(nominalConcurrencyShares=0, lendablePercent=0)
    )
    return [
        v1.PriorityLevelConfiguration(metadata=_meta("exempt"), spec=exempt),
        _level("catch-all", 5, 0, None),
        _level("global-default", 20, 50, (128, 6)),
        _level("leader-election", 10, 0, (16, 4)),
        _level("node-high", 40, 25, (64, 6)),
        _level("system", 30, 33, (64, 6)),
        _level("workload-high", 40, 50, (128, 6)),
        _level("workload-low", 100, 90, (128, 6)),
    ]


def schemas() -> list[v1.FlowSchema]:
    """The flow schemas."""
    anybody = [_group("system:unauthenticated"), _group("system:authenticated")]
    leaders = [_user("system:kube-controller-manager"), _user("system:kube-scheduler"), _account("kube-system")]
    probes = v1.NonResourcePolicyRule(verbs=["get"], nonResourceURLs=["/healthz", "/readyz", "/livez"])
    leases, nodes = ("coordination.k8s.io", ["leases"]), ("", ["nodes", "nodes/status"])
    return [
        _schema("exempt", 1, "exempt", "", [_group("system:masters")]),
        _schema("probes", 2, "exempt", "", anybody, [], [probes]),
        _schema(
            "system-leader-election", 100, "leader-election", "ByUser", leaders,
            [_resources(*leases, ["get", "create", "update"])],
        ),
        _schema(
            "system-node-high", 400, "node-high", "ByUser", [_group("system:nodes")],
            [_resources(*nodes, cluster=True), _resources(*leases)],
        ),
        _schema("system-nodes", 500, "system", "ByUser", [_group("system:nodes")]),
        _schema("kube-controller-manager", 800, "workload-high", "ByNamespace", leaders[:1]),
        _schema("kube-scheduler", 800, "workload-high", "ByNamespace", leaders[1:2]),
        _schema("kube-system-service-accounts", 900, "workload-high", "ByNamespace", leaders[2:]),
        _schema("service-accounts", 9000, "workload-low", "ByUser", [_group("system:serviceaccounts")]),
        _schema("global-default", 9900, "global-default", "ByUser", anybody),
        _schema("catch-all", 10000, "catch-all", "ByUser", anybody),
    ]  # fmt: skip


def steps(present: Iterable[Flow]) -> Iterator[Step]:
    """What is to be done so that the objects are as they should be."""
    found = {(obj.kind, obj.metadata.name): obj for obj in present}
    all_wanted: list[Flow] = [*levels(), *schemas()]
    for wanted in all_wanted:
        obj = found.pop((wanted.kind, wanted.metadata.name), None)
        if obj is None:
            yield Step(Verb.CREATE, wanted)
        elif not _is_in_step(obj, wanted):
            yield Step(Verb.UPDATE, _in_step(obj, wanted))
    yield from (Step(Verb.DELETE, obj) for obj in found.values() if obj.metadata.annotations.get(AUTOUPDATE) == "true")


async def bootstrap_flow_control(registry: Registry) -> None:
    """Make the objects of a new cluster, and bring those of an old one up to date; `steps` goes on in a controller."""
    reader = registry.reader
    present: list[Flow] = [*reader.all_cached(v1.FlowSchema), *reader.all_cached(v1.PriorityLevelConfiguration)]
    async with asyncio.TaskGroup() as group:
        for step in steps(present):
            group.create_task(_take(registry, step))


async def _take(registry: Registry, step: Step) -> None:
    who, kind, name = component("apiserver"), type(step.obj), step.obj.metadata.name or ""
    with suppress(AlreadyExists, Conflict, NotFound):  # another API server does the same
        match step.verb:
            case Verb.CREATE:
                await registry.create(who, kind, "", step.obj)
            case Verb.UPDATE:
                await registry.update(who, kind, "", name, step.obj)
            case _:
                await registry.delete(who, kind, "", name)


def _follows(obj: Flow) -> bool:
    if obj.metadata.name in MANDATORY:
        return True
    said = obj.metadata.annotations.get(AUTOUPDATE)
    return said == "true" if said is not None else obj.metadata.generation == 1


def _is_in_step(obj: Flow, wanted: Flow) -> bool:
    follows = _follows(obj)
    annotated = obj.metadata.annotations.get(AUTOUPDATE) == ("true" if follows else "false")
    return annotated and (not follows or obj.spec == wanted.spec)


def _in_step(obj: Flow, wanted: Flow) -> Flow:
    changed, follows = codec.copy(obj), _follows(obj)
    changed.metadata.annotations[AUTOUPDATE] = "true" if follows else "false"
    if follows:
        changed.spec = wanted.spec
    return changed


def _meta(name: str) -> meta_v1.ObjectMeta:
    return meta_v1.ObjectMeta(name=name, annotations={AUTOUPDATE: "true"})


def _level(name: str, shares: int, lent: int, queues: tuple[int, int] | None) -> v1.PriorityLevelConfiguration:
    response = v1.LimitResponse(type="Reject")
    if queues:
        queuing = v1.QueuingConfiguration(queues=queues[0], handSize=queues[1], queueLengthLimit=50)
        response = v1.LimitResponse(type="Queue", queuing=queuing)
    limited = v1.LimitedPriorityLevelConfiguration(
        nominalConcurrencyShares=shares, lendablePercent=lent, limitResponse=response
    )
    spec = v1.PriorityLevelConfigurationSpec(type="Limited", limited=limited)
    return v1.PriorityLevelConfiguration(metadata=_meta(name), spec=spec)


def _schema(
    name: str,
    precedence: int,
    level: str,
    method: str,
    subjects: list[v1.Subject],
    resources: list[v1.ResourcePolicyRule] | None = None,
    pages: list[v1.NonResourcePolicyRule] | None = None,
) -> v1.FlowSchema:
    """A schema with one rule; about everything where it names nothing."""
    if resources is None:
        resources = [_resources("*", ALL, cluster=True)]
        pages = [v1.NonResourcePolicyRule(verbs=ALL, nonResourceURLs=ALL)]
    rule = v1.PolicyRulesWithSubjects(subjects=subjects, resourceRules=resources, nonResourceRules=pages or [])
    spec = v1.FlowSchemaSpec(
        priorityLevelConfiguration=v1.PriorityLevelConfigurationReference(name=level),
        matchingPrecedence=precedence,
        distinguisherMethod=v1.FlowDistinguisherMethod(type=method) if method else None,
        rules=[rule],
    )
    return v1.FlowSchema(metadata=_meta(name), spec=spec)


def _resources(
    group: str, resources: list[str], verbs: list[str] = ALL, *, cluster: bool = False
) -> v1.ResourcePolicyRule:
    return v1.ResourcePolicyRule(
        verbs=verbs, apiGroups=[group], resources=resources, namespaces=ALL, clusterScope=cluster
    )


def _group(name: str) -> v1.Subject:
    return v1.Subject(kind="Group", group=v1.GroupSubject(name=name))


def _user(name: str) -> v1.Subject:
    return v1.Subject(kind="User", user=v1.UserSubject(name=name))


def _account(namespace: str) -> v1.Subject:
    return v1.Subject(kind="ServiceAccount", serviceAccount=v1.ServiceAccountSubject(namespace=namespace, name="*"))
