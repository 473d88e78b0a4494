"""Tokens in Secrets that were made unasked are marked a year after their last use, and go a year after that."""

from typing import Any

import pytest

from master.controllers.legacy_token_cleaner import UNUSED, legacy_token_cleaner
from master.controllers.token_secrets import NAME, TYPE
from master.registry.bootstrap import TRACKING
from master.serviceaccounts import INVALID_SINCE, LAST_USED
from timonel.api.types import core_v1, meta_v1

YEAR = UNUSED.total_seconds()


def found(world: Any) -> Any:
    return world.get(core_v1.Secret, "ns", "token")


@pytest.fixture
def listed(world: Any) -> Any:
    """An account that lists a Secret with its token, in a cluster that notes the use of such since now."""
    world.add(
        core_v1.ConfigMap(
            metadata=meta_v1.ObjectMeta(namespace="kube-system", name=TRACKING), data={"since": f"{world.now:%Y-%m-%d}"}
        )
    )
    account = core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(namespace="ns", name="robot"))
    account.secrets = [core_v1.ObjectReference(name="token")]
    world.add(account)
    metadata = meta_v1.ObjectMeta(namespace="ns", name="token", annotations={NAME: "robot"})
    world.add(core_v1.Secret(metadata=metadata, type=TYPE))
    return world


def settle(world: Any) -> None:
    world.settle(legacy_token_cleaner, kinds=[core_v1.Secret])


def test_what_nobody_uses_is_marked_and_goes(listed: Any) -> None:
    settle(listed)
    assert INVALID_SINCE not in found(listed).metadata.labels
    assert listed.requeue == pytest.approx(YEAR)
    listed.wait(YEAR)
    settle(listed)
    assert found(listed).metadata.labels[INVALID_SINCE] == f"{listed.now:%Y-%m-%d}"
    listed.wait(YEAR)
    settle(listed)
    assert found(listed) is None


def test_use_keeps_it(listed: Any) -> None:
    listed.wait(YEAR)
    listed.change(found(listed), lambda it: it.metadata.labels.update({LAST_USED: f"{listed.now:%Y-%m-%d}"}))
    settle(listed)
    assert INVALID_SINCE not in found(listed).metadata.labels


def test_a_pod_that_mounts_it_keeps_it(listed: Any) -> None:
    volume = core_v1.Volume(name="v", secret=core_v1.SecretVolumeSource(secretName="token"))
    spec = core_v1.PodSpec(containers=[], volumes=[volume])
    listed.add(core_v1.Pod(metadata=meta_v1.ObjectMeta(namespace="ns", name="p"), spec=spec))
    listed.wait(YEAR)
    settle(listed)
    assert INVALID_SINCE not in found(listed).metadata.labels


def test_what_a_user_made_stays(listed: Any) -> None:
    listed.change(listed.get(core_v1.ServiceAccount, "ns", "robot"), lambda it: it.secrets.clear())
    listed.wait(3 * YEAR)
    settle(listed)
    assert found(listed)
    assert not found(listed).metadata.labels
