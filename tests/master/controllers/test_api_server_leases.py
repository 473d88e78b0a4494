"""An API server's lease is renewed while it runs; those of lost servers go when they have run out."""

from typing import Any

from master.controllers.api_server_leases import PERIOD, api_server_leases
from master.registry.bootstrap import IDENTITY, IDENTITY_SECONDS
from timonel.api import time as api_time
from timonel.api.types import coordination_v1, meta_v1

Lease = coordination_v1.Lease


def test_ours_is_renewed_and_lost_ones_go(world: Any) -> None:
    for name, labels in (("ours", {IDENTITY: "kube-apiserver"}), ("lost", {IDENTITY: "kube-apiserver"}), ("other", {})):
        spec = coordination_v1.LeaseSpec(
            leaseDurationSeconds=IDENTITY_SECONDS, renewTime=api_time.micro_text(world.now)
        )
        world.add(Lease(metadata=meta_v1.ObjectMeta(namespace="kube-system", name=name, labels=labels), spec=spec))
    reconcile = api_server_leases("ours").reconcile
    began = api_time.micro_text(world.now)
    for wait, renewed in ((0.0, False), (PERIOD.total_seconds(), True)):
        world.wait(wait)
        world.settle(reconcile, kinds=[Lease])
        assert (world.get(Lease, "kube-system", "ours").spec.renewTime != began) == renewed
        assert [lease.metadata.name for lease in world.list(Lease)] == ["lost", "other", "ours"]
    world.wait(IDENTITY_SECONDS)
    world.settle(reconcile, kinds=[Lease])
    assert [lease.metadata.name for lease in world.list(Lease)] == ["other", "ours"]
