"""Bootstrap tokens whose time is over are removed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from master.bootstrap_tokens import NAMESPACE, ends
from master.controllers.actions import Action, Delete, RequeueAfter
from master.controllers.controller import controller
from master.controllers.view import View
from timonel.api.types import core_v1


@controller(core_v1.Secret, account="token-cleaner")
def token_cleaner(secret: core_v1.Secret, view: View, now: datetime) -> Iterator[Action]:
    """Delete a token at its end."""
    end = ends(secret) if secret.metadata.namespace == NAMESPACE else None
    if end is not None:
        left = (end - now).total_seconds()
        yield Delete(secret) if left <= 0 else RequeueAfter(left)
