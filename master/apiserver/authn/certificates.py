"""Client certificates: the common name is the user, the organisations are the groups."""

from collections.abc import Iterator, Mapping
from typing import Any

from master.apiserver.authn.base import Credentials
from master.registry.base import User


class ClientCertificates:
    """Believes certificates; TLS has verified them against the cluster's authority already."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        if not credentials.certificate:
            return None
        names = list(_subject(credentials.certificate, "commonName"))
        if not names or not names[0]:
            return None
        return User(names[0], groups=tuple(_subject(credentials.certificate, "organizationName")))


def _subject(certificate: Mapping[str, Any], attribute: str) -> Iterator[str]:
    return (value for part in certificate.get("subject", ()) for name, value in part if name == attribute)
