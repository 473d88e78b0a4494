"""How wide requests are, and how long they are remembered."""

from types import SimpleNamespace
from typing import Any

import pytest

from master.apiserver.fairness import gate as gates
from master.apiserver.fairness.gate import Gate
from master.apiserver.paths import Target
from master.registry.base import User
from master.registry.flow_bootstrap import levels, schemas
from timonel.api.types import flowcontrol_v1 as v1

ANN = User("ann", groups=("system:authenticated",))
ROOT = User("root", groups=("system:masters", "system:authenticated"))
LIST = Target("", "v1", "pods")


class Asked(dict[Any, Any]):
    """As much of a request as the gate looks at."""

    def __init__(self, method: str = "GET", **query: str) -> None:
        super().__init__()
        self.method, self.query, self.path = method, query, "/"
        self.query_string = "&".join(f"{key}={value}" for key, value in query.items())


@pytest.fixture
def cluster() -> SimpleNamespace:
    """A registry with as many pods as `count` says."""
    cache = SimpleNamespace(count=0)
    reader = SimpleNamespace(
        all_cached=lambda kind: levels() if kind is v1.PriorityLevelConfiguration else schemas(),
        on_change=lambda *_: None,
    )
    return SimpleNamespace(
        reader=reader,
        pods=cache,
        resources=SimpleNamespace(find=lambda *_: SimpleNamespace(struct=object)),
        strategy=lambda _: SimpleNamespace(is_stored=True),
        cache=lambda _: cache,
    )


async def seats_of(gate: Gate, http: Any, who: User, target: Target) -> int:
    async with gate.turn(http, who, target):
        return sum(level.running for level in gate.levels.values())


async def test_a_list_takes_a_seat_for_each_hundred_objects_that_it_goes_through(cluster: Any) -> None:
    gate = Gate(cluster, concurrency=600)
    gate.start()
    for count, seats in [(0, 1), (100, 1), (101, 2), (1000, 10), (50_000, 10)]:
        cluster.pods.count = count
        assert await seats_of(gate, Asked(), ANN, LIST) == seats
        assert await seats_of(gate, Asked(), ROOT, LIST) == seats
    assert await seats_of(gate, Asked(limit="150"), ANN, LIST) == 2
    assert await seats_of(gate, Asked(limit="nonsense"), ANN, LIST) == 10
    assert await seats_of(gate, Asked(watch="1"), ANN, LIST) == 1
    assert await seats_of(gate, Asked(), ANN, Target("", "v1", "pods", "default", "web")) == 1
    assert sum(level.running for level in gate.levels.values()) == 0


async def test_no_request_is_wider_than_its_level(cluster: Any) -> None:
    gate = Gate(cluster, concurrency=30)
    gate.start()
    cluster.pods.count = 50_000
    assert await seats_of(gate, Asked(), ANN, LIST) == gate.levels["global-default"].nominal < 10


async def test_streams_take_no_seat(cluster: Any) -> None:
    gate = Gate(cluster)
    gate.start()
    for subresource in ("exec", "attach", "log", "portforward", "proxy"):
        assert await seats_of(gate, Asked(), ANN, Target("", "v1", "pods", "default", "web", subresource)) == 0


async def test_no_more_than_so_many_flows_are_remembered(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "MOST_FLOWS", 100)
    gate = Gate(cluster)
    gate.start()
    for number in range(1000):
        assert await seats_of(gate, Asked(), User(f"user-{number}", groups=ANN.groups), LIST) == 1
    assert len(gate._flows) <= 100
