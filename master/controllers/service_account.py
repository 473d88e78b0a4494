"""Every namespace has a ServiceAccount named default."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.controllers.actions import Action, Create
from master.controllers.controller import controller, in_namespace
from master.controllers.view import View
from timonel.api.types import core_v1, meta_v1

NAME = "default"


@controller(core_v1.Namespace, wakes_on=[in_namespace(core_v1.ServiceAccount)])
def service_account(ns: core_v1.Namespace, view: View, now: datetime) -> Iterator[Action]:
    """Create the default ServiceAccount where it is missing."""
    if ns.metadata.deletionTimestamp or view.get(core_v1.ServiceAccount, ns.metadata.name or "", NAME):
        return
    yield Create(core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name=NAME, namespace=ns.metadata.name)))
