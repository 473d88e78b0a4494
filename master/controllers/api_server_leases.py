"""Leases in kube-system that say which API servers there are: each keeps its own, and the leases of lost ones go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from master.controllers.actions import Action, Delete, RequeueAfter, Update
from master.controllers.controller import API_SERVER, Controller
from master.controllers.view import View
from master.registry.bootstrap import IDENTITY, IDENTITY_SECONDS
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.types import coordination_v1

PERIOD = timedelta(minutes=1)
"""How often a server renews its lease. Kubernetes' do so every ten seconds, though theirs last for an hour too."""


def api_server_leases(own: str) -> Controller:
    """The controller of an API server that has told its identity, in the lease named ``own``."""

    def reconcile(lease: coordination_v1.Lease, view: View, now: datetime) -> Iterator[Action]:
        """Renew what is ours, delete what has run out."""
        if lease.metadata.namespace != "kube-system" or IDENTITY not in lease.metadata.labels:
            return
        renewed = api_time.parse(lease.spec.renewTime or lease.metadata.creationTimestamp or "")
        mine = lease.metadata.name == own
        lasts = PERIOD if mine else timedelta(seconds=lease.spec.leaseDurationSeconds or IDENTITY_SECONDS)
        left = (renewed + lasts - now).total_seconds()
        if left > 0:
            yield RequeueAfter(left)
        elif mine:
            kept = codec.copy(lease)
            kept.spec.renewTime = api_time.micro_text(now)
            yield Update(kept)
        else:
            yield Delete(lease)

    return Controller("api-server-leases", coordination_v1.Lease, (), reconcile, API_SERVER)
