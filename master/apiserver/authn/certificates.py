"""Client certificates: the common name is the user, the organisations are the groups."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from master.apiserver.authn.base import Credentials
from master.registry.base import User

UID = "1.3.6.1.4.1.57683.2"
"""The attribute of a certificate's subject that is the user's uid, of Kubernetes' own number space."""
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class ClientCertificates:
    """Believes certificates, which TLS has verified already.

    Args:
        authority: who must have signed them, PEM; needed where TLS believes other authorities too.
    """

    def __init__(self, authority: bytes = b"") -> None:
        self._authority = authority

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        if not credentials.certificate:
            return None
        if self._authority and not issued_by(credentials.certificate_der, self._authority):
            return None
        name = common_name(credentials.certificate)
        if not name:
            return None
        uid = next(_subject(credentials.certificate, UID), "")
        fingerprint = hashlib.sha256(credentials.certificate_der).hexdigest()
        groups = tuple(_subject(credentials.certificate, "organizationName"))
        return User(name, uid, groups, {CREDENTIAL_ID: (f"X509SHA256={fingerprint}",)})


def _subject(certificate: Mapping[str, Any], attribute: str) -> Iterator[str]:
    return (value for part in certificate.get("subject", ()) for name, value in part if name == attribute)


def common_name(certificate: Mapping[str, Any]) -> str:
    """The common name in a certificate's subject; empty where there is none."""
    return next(_subject(certificate, "commonName"), "")


@lru_cache(maxsize=256)
def issued_by(der: bytes, authority: bytes) -> bool:
    """Whether one of an authority's certificates (PEM) has signed a certificate itself."""
    if not der:
        return False
    certificate = x509.load_der_x509_certificate(der)
    for issuer in x509.load_pem_x509_certificates(authority):
        with suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(issuer)
            return True
    return False
