"""Secrets with tokens that old versions of Kubernetes made for ServiceAccounts unasked go once nobody uses them.

A year after its last use such a Secret is marked, and its token no longer taken; a year after that it is deleted.
Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#legacy-serviceaccount-token-cleaner
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from master.controllers.actions import Action, Delete, Patch, RequeueAfter
from master.controllers.controller import controller
from master.controllers.token_secrets import NAME, TYPE
from master.controllers.view import View
from master.registry.bootstrap import TRACKING
from master.registry.podreferences import secrets_of
from master.serviceaccounts import INVALID_SINCE, LAST_USED
from timonel.api import time as api_time
from timonel.api.types import core_v1

UNUSED = timedelta(days=365)


@controller(core_v1.Secret, account="legacy-service-account-token-cleaner")
def legacy_token_cleaner(secret: core_v1.Secret, view: View, now: datetime) -> Iterator[Action]:
    """Mark a Secret that has not been used for a year, delete one that has been marked for a year."""
    if secret.type != TYPE or secret.metadata.deletionTimestamp or not _is_made_unasked(secret, view):
        return
    tracking = view.get(core_v1.ConfigMap, "kube-system", TRACKING)
    since = _day(tracking.data.get("since")) if tracking else None
    if since is None:
        return
    made = api_time.parse(secret.metadata.creationTimestamp or "")
    used = max(_day(secret.metadata.labels.get(LAST_USED)) or since, since, made)
    marked = _day(secret.metadata.labels.get(INVALID_SINCE))
    left = ((max(used, marked) if marked else used) + UNUSED - now).total_seconds()
    if left > 0:
        yield RequeueAfter(left)
    elif _is_mounted(secret, view):
        return
    elif marked:
        yield Delete(secret)
    else:
        yield Patch(secret, {"metadata": {"labels": {INVALID_SINCE: f"{now:%Y-%m-%d}"}}})


def _is_made_unasked(secret: core_v1.Secret, view: View) -> bool:
    """The account lists such Secrets; those that users have made are theirs to keep."""
    account = view.get(
        core_v1.ServiceAccount, secret.metadata.namespace or "", secret.metadata.annotations.get(NAME, "")
    )
    return account is not None and any(each.name == secret.metadata.name for each in account.secrets)


def _is_mounted(secret: core_v1.Secret, view: View) -> bool:
    pods = view.list(core_v1.Pod, secret.metadata.namespace or "")
    return any(secret.metadata.name in secrets_of(pod.spec) for pod in pods)


def _day(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
