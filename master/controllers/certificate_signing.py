"""Approves the requests that nodes may make by a role, and signs what has been approved; `signers` says what."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from master.controllers.actions import Action, RequeueAfter, SetStatus, Update
from master.controllers.controller import Controller
from master.controllers.signers import (
    ENCIPHERMENT,
    KUBELET_CLIENT,
    SERVER_AUTH,
    SIGNATURE,
    SIGNERS,
    check,
    common_name,
)
from master.controllers.view import View
from master.pki import CLIENT_LIFETIME, CsrRefused
from master.registry.authz.base import Attributes, Decision
from master.registry.base import User, Verb
from master.registry.verbs import Registry
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.types import certificates_v1 as v1

REFUSED = "SignerValidationFailure"
ASK_AGAIN = 30.0
"""Seconds after which a request that nobody may make yet is looked at again: roles may have changed."""


class Authority(Protocol):
    """Who signs certificates."""

    def sign_client(
        self, csr_pem: bytes, lifetime: timedelta, *, signs: bool, enciphers: bool, serves: bool = False
    ) -> bytes:
        """See `Pki.sign_client`."""


def certificate_signing(authority: Authority) -> Controller:
    """The controller that signs with an authority."""

    def reconcile(request: v1.CertificateSigningRequest, view: View, now: datetime) -> Iterator[Action]:
        """Give an approved request its certificate, or say why it gets none."""
        spec = request.spec
        if spec.signerName not in SIGNERS or request.status.certificate or _conditions(request) != {"Approved"}:
            return
        answered = codec.copy(request)
        try:
            check(spec)
            pem = authority.sign_client(
                base64.b64decode(spec.request),
                lifetime(spec.expirationSeconds),
                signs=SIGNATURE in spec.usages,
                enciphers=ENCIPHERMENT in spec.usages,
                serves=SERVER_AUTH in spec.usages,
            )
        except CsrRefused as refusal:
            answered.status.conditions.append(_condition("Failed", REFUSED, str(refusal), now))
        else:
            answered.status.certificate = base64.b64encode(pem).decode()
        yield SetStatus(answered)

    return Controller("certificate-signing", v1.CertificateSigningRequest, (), reconcile, "certificate-controller")


def certificate_approval(registry: Registry) -> Controller:
    """The controller that approves the client certificates of nodes where the asker may ``create`` the subresource
    selfnodeclient or nodeclient of certificatesigningrequests.
    """
    resource, authorizer = registry.resources.of(v1.CertificateSigningRequest), registry.core.authorizer

    def may_create(user: User, kind: str) -> bool:
        return authorizer.authorize(Attributes(user, Verb.CREATE, resource, kind)).decision is Decision.ALLOW

    def reconcile(request: v1.CertificateSigningRequest, view: View, now: datetime) -> Iterator[Action]:
        """Approve what asks for a node's certificate: for oneself, or for another."""
        spec = request.spec
        if spec.signerName != KUBELET_CLIENT or request.status.certificate or _conditions(request):
            return
        try:
            wanted = check(spec)
        except CsrRefused:
            return
        user = User(spec.username, spec.uid or "", tuple(spec.groups), {k: tuple(v) for k, v in spec.extra.items()})
        for itself, kind in ((True, "selfnodeclient"), (False, "nodeclient")):
            if (not itself or common_name(wanted) == user.name) and may_create(user, kind):
                approved = codec.copy(request)
                who = "self kubelet" if itself else "kubelet"
                why = f"Auto approving {who} client certificate after SubjectAccessReview."
                approved.status.conditions.append(_condition("Approved", "AutoApproved", why, now))
                yield Update(approved, subresource="approval")
                return
        yield RequeueAfter(ASK_AGAIN)

    return Controller("certificate-approval", v1.CertificateSigningRequest, (), reconcile, "certificate-controller")


def lifetime(asked: int | None) -> timedelta:
    """How long the certificate holds: as long as is asked for, at most as long as ours do."""
    return CLIENT_LIFETIME if asked is None else min(timedelta(seconds=asked), CLIENT_LIFETIME)


def _conditions(request: v1.CertificateSigningRequest) -> set[str]:
    return {condition.type for condition in request.status.conditions if condition.status == "True"}


def _condition(kind: str, reason: str, message: str, now: datetime) -> v1.CertificateSigningRequestCondition:
    at = api_time.text(now)
    return v1.CertificateSigningRequestCondition(
        type=kind, status="True", reason=reason, message=message, lastUpdateTime=at, lastTransitionTime=at
    )
