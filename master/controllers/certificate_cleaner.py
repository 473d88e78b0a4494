"""Certificate requests that are over are removed: signed, denied or failed ones after an hour, others after a day.

Source: the times of Kubernetes' csrcleaner controller.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from master.controllers.actions import Action, Delete, RequeueAfter
from master.controllers.controller import controller
from master.controllers.view import View
from timonel.api import time as api_time
from timonel.api.types import certificates_v1 as v1

DECIDED_FOR = timedelta(hours=1)
PENDING_FOR = timedelta(hours=24)


@controller(v1.CertificateSigningRequest, account="certificate-controller")
def certificate_cleaner(request: v1.CertificateSigningRequest, view: View, now: datetime) -> Iterator[Action]:
    """Remove a request whose time is over."""
    left = (ends(request) - now).total_seconds()
    yield Delete(request) if left <= 0 else RequeueAfter(left)


def ends(request: v1.CertificateSigningRequest) -> datetime:
    """When a request is over: counted from its last decision, where that is all that there will be."""
    status = request.status
    decided = [
        condition.lastUpdateTime
        for condition in status.conditions
        if condition.lastUpdateTime
        and (condition.type in ("Denied", "Failed") or (condition.type == "Approved" and status.certificate))
    ]
    if decided:
        return api_time.parse(max(decided)) + DECIDED_FOR
    return api_time.parse(request.metadata.creationTimestamp or api_time.now()) + PENDING_FOR
