"""Signs what has been approved: CertificateSigningRequests for clients of the API.

The signer is kubernetes.io/kube-apiserver-client; the rules are those of Kubernetes' documentation of its signers
(https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

from master.controllers.actions import Action, SetStatus
from master.controllers.controller import Controller
from master.controllers.view import View
from master.pki import CLIENT_LIFETIME, CsrRefused
from timonel.api import codec
from timonel.api import time as api_time
from timonel.api.types import certificates_v1 as v1

SIGNER = "kubernetes.io/kube-apiserver-client"
CLIENT_AUTH = "client auth"
SIGNATURE, ENCIPHERMENT = "digital signature", "key encipherment"
REFUSED = "SignerValidationFailure"


class Authority(Protocol):
    """Who signs certificates."""

    def sign_client(self, csr_pem: bytes, lifetime: timedelta, *, signs: bool, enciphers: bool) -> bytes:
        """See `Pki.sign_client`."""


def certificate_signing(authority: Authority) -> Controller:
    """The controller that signs with an authority."""

    def reconcile(request: v1.CertificateSigningRequest, view: View, now: datetime) -> Iterator[Action]:
        """Give an approved request its certificate, or say why it gets none."""
        spec, state = request.spec, {c.type for c in request.status.conditions if c.status == "True"}
        if spec.signerName != SIGNER or request.status.certificate or "Approved" not in state:
            return
        if state & {"Denied", "Failed"}:
            return
        answered = codec.copy(request)
        try:
            check_usages(spec.usages)
            pem = authority.sign_client(
                base64.b64decode(spec.request),
                lifetime(spec.expirationSeconds),
                signs=SIGNATURE in spec.usages,
                enciphers=ENCIPHERMENT in spec.usages,
            )
        except CsrRefused as refusal:
            answered.status.conditions.append(_failed(str(refusal), now))
        else:
            answered.status.certificate = base64.b64encode(pem).decode()
        yield SetStatus(answered)

    return Controller("certificate-signing", v1.CertificateSigningRequest, (), reconcile, "certificate-controller")


def check_usages(usages: list[str]) -> None:
    """Whether a client's certificate may be for these uses.

    Raises:
        CsrRefused: it may not.
    """
    for usage in usages:
        if usage not in (CLIENT_AUTH, SIGNATURE, ENCIPHERMENT):
            raise CsrRefused(f"invalid usage for client certificate: {usage}")
    if CLIENT_AUTH not in usages:
        raise CsrRefused(f"missing required usage for client certificate: {CLIENT_AUTH}")


def lifetime(asked: int | None) -> timedelta:
    """How long the certificate holds: as long as is asked for, at most as long as ours do."""
    return CLIENT_LIFETIME if asked is None else min(timedelta(seconds=asked), CLIENT_LIFETIME)


def _failed(why: str, now: datetime) -> v1.CertificateSigningRequestCondition:
    at = api_time.text(now)
    return v1.CertificateSigningRequestCondition(
        type="Failed", status="True", reason=REFUSED, message=why, lastUpdateTime=at, lastTransitionTime=at
    )
