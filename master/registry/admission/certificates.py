"""Who may approve and sign certificate requests, and what no request may ask for: Kubernetes' plugins
CertificateApproval, CertificateSigning and CertificateSubjectRestriction.
"""

import base64
import binascii
from typing import ClassVar

from cryptography import x509
from cryptography.x509.oid import NameOID

from master.registry.admission.base import Attributes, Plugin
from master.registry.authz.masters import MASTERS
from master.registry.base import Resource, User, Verb
from timonel.api.gvk import GVK
from timonel.api.types import certificates_v1 as v1

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"
_SIGNERS = Resource(GVK("certificates.k8s.io", "v1", ""), "signers", "signer", namespaced=False, struct=None)


class Certificates(Plugin):
    """Approving and signing need the verbs ``approve`` and ``sign`` on the signer, beside the write itself."""

    order: ClassVar[int] = 45
    kinds = frozenset({v1.CertificateSigningRequest})
    operations = frozenset({Verb.CREATE, Verb.UPDATE})

    def sees(self, attributes: Attributes) -> bool:
        """The subresources too: they are where approving and signing happen."""
        return self._sees_kind(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Judge by what the write does.

        Raises:
            Forbidden: the caller may not do that with this signer, or asks to become an administrator.
        """
        request: v1.CertificateSigningRequest = attributes.object
        old: v1.CertificateSigningRequest | None = attributes.old
        match attributes.call.subresource:
            case "" if old is None:
                if request.spec.signerName == CLIENT_SIGNER and MASTERS in subject_of(request.spec.request).groups:
                    raise attributes.forbidden(f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed")
            case "approval":
                self._need("approve", request.spec.signerName, attributes)
            case "status" if old is not None and _signs(request, old):
                self._need("sign", request.spec.signerName, attributes)

    def _need(self, verb: str, signer: str, attributes: Attributes) -> None:
        """The right for the signer itself, or for all of its domain."""
        domain = f"{signer.partition('/')[0]}/*"
        if not attributes.may(verb, _SIGNERS, signer) and not attributes.may(verb, _SIGNERS, domain):
            raise attributes.forbidden(f'user not permitted to {verb} requests with signerName "{signer}"')


def _signs(new: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest) -> bool:
    """Whether a status update is the signer's: it gives a certificate, or says that there will be none."""

    def failed(request: v1.CertificateSigningRequest) -> bool:
        return any(condition.type == "Failed" for condition in request.status.conditions)

    return new.status.certificate != old.status.certificate or failed(new) != failed(old)


def subject_of(request: str) -> User:
    """The user that a request asks to be; nobody in one that cannot be read, which the kind's own rules refuse."""
    try:
        subject = x509.load_pem_x509_csr(base64.b64decode(request)).subject
    except (ValueError, TypeError, binascii.Error):
        return User("")
    names = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = (str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    return User(names[0] if names else "", groups=tuple(groups))
