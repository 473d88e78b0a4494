"""Priority and fairness over HTTPS: who is classified how, who waits, who is turned away, and what is left alone."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from master import metrics
from master.apiserver.fairness import gate as gate_module
from master.apiserver.fairness.gate import LEVEL_UID, SCHEMA_UID
from master.controllers.controller import load
from master.controllers.engine import Engine
from master.registry.base import component
from timonel.api import codec
from timonel.api.types import flowcontrol_v1 as v1
from timonel.api.types import meta_v1, rbac_v1

PODS = "/api/v1/namespaces/default/pods"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what it looks at does not tell of changes
            await asyncio.sleep(0.01)


@pytest.fixture
async def users(served: Any) -> AsyncIterator[Callable[..., Awaitable[aiohttp.ClientResponse]]]:
    """Asks as a user that may do everything but is in no group of administrators."""
    who = component("test")
    for name in ("ann", "bob"):
        binding = rbac_v1.ClusterRoleBinding(
            metadata=meta_v1.ObjectMeta(name=name),
            roleRef=rbac_v1.RoleRef(apiGroup="rbac.authorization.k8s.io", kind="ClusterRole", name="cluster-admin"),
            subjects=[rbac_v1.Subject(apiGroup="rbac.authorization.k8s.io", kind="User", name=name)],
        )
        await served.registry.create(who, rbac_v1.ClusterRoleBinding, "", binding)
    connector = aiohttp.TCPConnector(ssl=served.access().tls(), limit=0)
    async with aiohttp.ClientSession(served.url, connector=connector) as session:

        async def ask(name: str, path: str = PODS, **options: Any) -> aiohttp.ClientResponse:
            headers = {"Impersonate-User": name, "Impersonate-Group": "system:authenticated"}
            return await session.get(path, headers=headers, **options)

        yield ask


def level_of(name: str, shares: int, *, queues: int = 0, length: int = 1) -> v1.PriorityLevelConfiguration:
    queuing = v1.QueuingConfiguration(queues=queues, handSize=1, queueLengthLimit=length) if queues else None
    limited = v1.LimitedPriorityLevelConfiguration(
        nominalConcurrencyShares=shares,
        borrowingLimitPercent=0,
        limitResponse=v1.LimitResponse(type="Queue" if queues else "Reject", queuing=queuing),
    )
    spec = v1.PriorityLevelConfigurationSpec(type="Limited", limited=limited)
    return v1.PriorityLevelConfiguration(metadata=meta_v1.ObjectMeta(name=name), spec=spec)


def schema_of(name: str, level: str, user: str) -> v1.FlowSchema:
    everything = v1.ResourcePolicyRule(
        verbs=["*"], apiGroups=["*"], resources=["*"], namespaces=["*"], clusterScope=True
    )
    subject = v1.Subject(kind="User", user=v1.UserSubject(name=user))
    rule = v1.PolicyRulesWithSubjects(subjects=[subject], resourceRules=[everything])
    spec = v1.FlowSchemaSpec(
        priorityLevelConfiguration=v1.PriorityLevelConfigurationReference(name=level),
        matchingPrecedence=700,
        rules=[rule],
    )
    return v1.FlowSchema(metadata=meta_v1.ObjectMeta(name=name), spec=spec)


@pytest.fixture
async def narrow(served: Any) -> Callable[..., Awaitable[None]]:
    """Gives a user a level of three seats."""

    async def make(user: str, *, queues: int = 0, length: int = 1) -> None:
        who, registry = component("test"), served.registry
        level = level_of("narrow", 25, queues=queues, length=length)  # of 30 seats and 270 shares: three
        await registry.create(who, v1.PriorityLevelConfiguration, "", level)
        await registry.create(who, v1.FlowSchema, "", schema_of("narrow", "narrow", user))
        await until(lambda: any(flow.name == "narrow" for flow in served.api.levels()))

    return make


@pytest.fixture
def slow_lists(served: Any, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Lists wait until the event is set."""
    go = asyncio.Event()
    really = served.registry.list

    async def list_slowly(*arguments: Any) -> Any:
        await go.wait()
        return await really(*arguments)

    monkeypatch.setattr(served.registry, "list", list_slowly)
    return go


async def test_answers_say_how_their_request_was_classified(served: Any, users: Any, http: Any) -> None:
    cache = served.registry.reader.cached
    exempt = cache(v1.FlowSchema, "", "exempt"), cache(v1.PriorityLevelConfiguration, "", "exempt")
    common = cache(v1.FlowSchema, "", "global-default"), cache(v1.PriorityLevelConfiguration, "", "global-default")
    for answer, (schema, level) in [(await http.get(PODS), exempt), (await users("ann"), common)]:
        assert answer.headers[SCHEMA_UID] == schema.metadata.uid
        assert answer.headers[LEVEL_UID] == level.metadata.uid
    watch = await users("ann", PODS + "?watch=1")
    assert watch.headers[SCHEMA_UID] == common[0].metadata.uid
    watch.close()
    missing = await users("ann", PODS + "/nobody")
    assert (missing.status, missing.headers[SCHEMA_UID]) == (404, common[0].metadata.uid)


async def test_who_finds_no_seat_and_no_queue_is_turned_away(users: Any, narrow: Any, slow_lists: Any) -> None:
    await narrow("ann")
    asked = [asyncio.ensure_future(users("ann")) for _ in range(4)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    refused = done.pop().result()
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert (await refused.json())["reason"] == "TooManyRequests"
    other = asyncio.ensure_future(users("bob"))
    slow_lists.set()
    assert sorted([answer.status for answer in await asyncio.gather(*asked)]) == [200, 200, 200, 429]
    assert (await other).status == 200


async def test_who_queues_is_served_in_turn_and_a_full_queue_refuses(users: Any, narrow: Any, slow_lists: Any) -> None:
    await narrow("ann", queues=1, length=2)
    asked = [asyncio.ensure_future(users("ann")) for _ in range(6)]
    done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    assert done.pop().result().status == 429
    assert 'apiserver_flowcontrol_current_inqueue_requests{priority_level="narrow"' in metrics.render()
    slow_lists.set()
    assert sorted([answer.status for answer in await asyncio.gather(*asked)]) == [200, 200, 200, 200, 200, 429]


async def test_the_wait_is_bounded_and_who_leaves_the_queue_makes_room(
    served: Any, users: Any, narrow: Any, slow_lists: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await narrow("ann", queues=1, length=1)
    level = next(level for level in served.api.levels() if level.name == "narrow")
    running = [asyncio.ensure_future(users("ann")) for _ in range(3)]
    await until(lambda: level.running == 3)
    leaver = asyncio.ensure_future(users("ann"))
    await until(lambda: level.waiting == 1)
    leaver.cancel()
    await until(lambda: level.waiting == 0)
    monkeypatch.setattr(gate_module, "REQUEST_SECONDS", 0.4)
    late = await users("ann")
    assert late.status == 429
    assert (level.running, level.waiting) == (3, 0)
    slow_lists.set()
    assert [answer.status for answer in await asyncio.gather(*running)] == [200, 200, 200]
    await until(lambda: level.running == 0)


async def test_watches_hold_no_seat_once_they_have_begun(served: Any, users: Any, narrow: Any) -> None:
    await narrow("ann")
    watches = [await users("ann", PODS + "?watch=1") for _ in range(8)]
    assert [watch.status for watch in watches] == [200] * 8
    assert next(level for level in served.api.levels() if level.name == "narrow").running == 0
    for watch in watches:
        watch.close()


async def test_a_schema_says_whether_its_level_is_missing_and_the_built_in_ones_are_kept_up(served: Any) -> None:
    who, registry = component("test"), served.registry
    chosen = [each for each in load() if each.name in ("flowschema", "flowcontrol-upkeep")]
    engine = Engine(registry, controllers=chosen)
    await engine.start()

    def condition(name: str) -> tuple[str | None, str | None]:
        found = registry.reader.cached(v1.FlowSchema, "", name)
        conditions = found.status.conditions if found else []
        return (conditions[0].status, conditions[0].reason) if conditions else (None, None)

    def shares(name: str) -> int | None:
        found = registry.reader.cached(v1.PriorityLevelConfiguration, "", name)
        return found.spec.limited.nominalConcurrencyShares if found else None

    async def give(name: str, number: int, autoupdate: str | None = None) -> None:
        changed = codec.copy(registry.reader.cached(v1.PriorityLevelConfiguration, "", name))
        changed.spec.limited.nominalConcurrencyShares = number
        if autoupdate:
            changed.metadata.annotations["apf.kubernetes.io/autoupdate-spec"] = autoupdate
        await registry.update(who, v1.PriorityLevelConfiguration, "", name, changed)

    try:
        await registry.create(who, v1.FlowSchema, "", schema_of("lost", "later", "ann"))
        await until(lambda: condition("lost") == ("True", "NotFound"))
        await until(lambda: condition("exempt") == ("False", "Found"))
        await registry.create(who, v1.PriorityLevelConfiguration, "", level_of("later", 5))
        await until(lambda: condition("lost") == ("False", "Found"))

        await registry.delete(who, v1.FlowSchema, "", "catch-all")
        await until(lambda: condition("catch-all") == ("False", "Found"))
        await give("catch-all", 99, "false")
        await until(lambda: shares("catch-all") == 5)
        await give("workload-low", 99)
        await until(lambda: shares("workload-low") == 100)
        await give("workload-low", 99, "false")
        await registry.create(who, v1.FlowSchema, "", schema_of("other", "later", "ann"))
        await until(lambda: condition("other") == ("False", "Found"))
        assert shares("workload-low") == 99
        shown = metrics.render()
        assert re.search(r'workqueue_adds_total\{name="flowschema"} [1-9]', shown)
        assert re.search(r'workqueue_work_duration_seconds_count\{name="flowschema"} [1-9]', shown)
        await until(lambda: 'workqueue_depth{name="flowschema"} 0' in metrics.render())
    finally:
        await engine.close()
