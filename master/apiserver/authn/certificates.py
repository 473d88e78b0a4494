"""Client certificates: the common name is the user, the organisations are the groups."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID, ObjectIdentifier

from master.apiserver.authn.base import AUTHENTICATED, Credentials
from master.registry.base import User
from timonel.api.time import utc_now

UID = ObjectIdentifier("1.3.6.1.4.1.57683.2")
"""The attribute of a certificate's subject that is the user's uid, of Kubernetes' own number space."""
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class ClientCertificates:
    """Believes certificates, which TLS has verified when the connection began, while they last.

    Args:
        authority: who must have signed them, PEM; needed where TLS believes other authorities too.
    """

    def __init__(self, authority: bytes = b"", clock: Callable[[], datetime] = utc_now) -> None:
        self._authority = authority
        self._clock = clock

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        der = credentials.certificate
        if not der or (self._authority and not issued_by(der, self._authority)):
            return None
        user, end = subject_of(der)
        return user if user.name and self._clock() <= end else None


@lru_cache(maxsize=1024)
def subject_of(der: bytes) -> tuple[User, datetime]:
    """Whom a certificate names, and until when it does. Kept, as each request of a connection shows the same one."""
    certificate = x509.load_der_x509_certificate(der)

    def values(attribute: ObjectIdentifier) -> list[str]:
        return [str(found.value) for found in certificate.subject.get_attributes_for_oid(attribute)]

    name, uid = (next(iter(values(attribute)), "") for attribute in (NameOID.COMMON_NAME, UID))
    groups = (*values(NameOID.ORGANIZATION_NAME), AUTHENTICATED)
    fingerprint = hashlib.sha256(der).hexdigest()
    return User(name, uid, groups, {CREDENTIAL_ID: (f"X509SHA256={fingerprint}",)}), certificate.not_valid_after_utc


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
