"""When quotas are counted anew."""

from typing import Any

from master.controllers.resource_quota import _quotas, resourcequota
from timonel.api import codec
from timonel.api.types import core_v1


def quota(name: str, **hard: str) -> core_v1.ResourceQuota:
    names = {key.replace("__", "/"): amount for key, amount in hard.items()}
    return codec.convert(
        core_v1.ResourceQuota, {"metadata": {"name": name, "namespace": "ns"}, "spec": {"hard": names}}
    )


def test_the_specified_amounts_hold_and_those_taken_away_do_not(world: Any) -> None:
    held = world.add(quota("q", pods="5"))
    held = world.change(held, lambda o: setattr(o.status, "hard", {"pods": "1", "cpu": "2"}))
    world.apply(resourcequota(held, world, world.now))
    assert world.get(core_v1.ResourceQuota, "ns", "q").status.hard == {"pods": "5"}


def test_objects_wake_the_quotas_of_their_namespace_that_may_count_them(world: Any) -> None:
    world.add(quota("compute", cpu="5"))
    world.add(quota("things", count__secrets="5"))
    meta = {"metadata": {"name": "x", "namespace": "ns"}}
    pod, secret = codec.convert(core_v1.Pod, meta), codec.convert(core_v1.Secret, meta)
    assert [key.name for key in _quotas(pod, world)] == ["compute", "things"]
    assert [key.name for key in _quotas(secret, world)] == ["things"]
    pod.metadata.namespace = "other"
    assert not list(_quotas(pod, world))
