"""Client certificates: the common name is the user, the organisations are the groups."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from master.apiserver.authn.base import Credentials
from master.registry.base import User

UID = "1.3.6.1.4.1.57683.2"
"""The attribute of a certificate's subject that is the user's uid, of Kubernetes' own number space."""
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class ClientCertificates:
    """Believes certificates; TLS has verified them against the cluster's authority already."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        if not credentials.certificate:
            return None
        names = list(_subject(credentials.certificate, "commonName"))
        if not names or not names[0]:
            return None
        uid = next(_subject(credentials.certificate, UID), "")
        fingerprint = hashlib.sha256(credentials.certificate_der).hexdigest()
        groups = tuple(_subject(credentials.certificate, "organizationName"))
        return User(names[0], uid, groups, {CREDENTIAL_ID: (f"X509SHA256={fingerprint}",)})


def _subject(certificate: Mapping[str, Any], attribute: str) -> Iterator[str]:
    return (value for part in certificate.get("subject", ()) for name, value in part if name == attribute)
