"""Secrets of type kubernetes.io/service-account-token get a token of their account, which lives as long as both."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from master.controllers.actions import Action, Delete, RequeueAfter, Update
from master.controllers.controller import Controller, Key, Wake, key_of
from master.controllers.view import Index, View
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.types import core_v1

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
GRACE = timedelta(seconds=5)
"""How old a secret without an account must be to be deleted: the account may have been made just before it."""

Mint = Callable[[core_v1.ServiceAccount, core_v1.Secret], str]
"""A token of an account that is bound to a secret, and has no other end."""


def _account(secret: core_v1.Secret) -> Iterator[str]:
    if secret.type == TYPE:
        yield secret.metadata.annotations.get(NAME, "")


_BY_ACCOUNT: Index[core_v1.Secret] = Index(core_v1.Secret, _account)


def _secrets(account: core_v1.ServiceAccount, view: View) -> Iterator[Key]:
    for secret in view.by(_BY_ACCOUNT, account.metadata.name or ""):
        if secret.metadata.namespace == account.metadata.namespace:
            yield key_of(secret)


def token_secrets(mint: Mint, ca_pem: bytes) -> Controller:
    """The controller that fills them."""

    def reconcile(secret: core_v1.Secret, view: View, now: datetime) -> Iterator[Action]:
        """Give the secret what is missing; delete it with its account."""
        if secret.type != TYPE or secret.metadata.deletionTimestamp:
            return
        namespace, notes = secret.metadata.namespace or "", secret.metadata.annotations
        account = view.get(core_v1.ServiceAccount, namespace, notes.get(NAME, ""))
        if account is None or notes.get(UID, account.metadata.uid) != account.metadata.uid:
            left = api_time.parse(secret.metadata.creationTimestamp or "") + GRACE - now
            yield RequeueAfter(left.total_seconds()) if left > timedelta() else Delete(secret)
            return
        filled = codec.copy(secret)
        filled.metadata.annotations[UID] = account.metadata.uid or ""
        filled.data["ca.crt"] = _base64(ca_pem)
        filled.data.setdefault("namespace", _base64(namespace.encode()))
        if not filled.data.get("token"):
            filled.data["token"] = _base64(mint(account, secret).encode())
        if filled != secret:
            yield Update(filled)

    wake = Wake(core_v1.ServiceAccount, _secrets)
    return Controller("token-secrets", core_v1.Secret, (wake,), reconcile, "system:kube-controller-manager")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
