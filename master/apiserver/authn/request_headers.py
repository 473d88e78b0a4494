"""Proxies in front of the API that have found out who somebody is, and say so in headers.

They are believed by their client certificate, of an authority that signs for nobody else.
Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509

from master.apiserver.authn.base import Credentials, Headers
from master.apiserver.authn.certificates import issued_by, subject_of
from master.configuration import ConfigurationError
from master.registry.base import User


@dataclass(frozen=True, slots=True)
class RequestHeaderSettings:
    """Which proxies are believed, and what their headers are named; as Kubernetes' --requestheader-* flags."""

    authority: bytes
    """PEM."""
    names: Sequence[str] = ()
    """The common names that a proxy's certificate may have; none: any."""
    users: Sequence[str] = ("X-Remote-User",)
    uids: Sequence[str] = ("X-Remote-Uid",)
    groups: Sequence[str] = ("X-Remote-Group",)
    extra_prefixes: Sequence[str] = ("X-Remote-Extra-",)


def authority_in(path: Path) -> bytes:
    """The certificates in a file, PEM.

    Raises:
        ConfigurationError: it holds none.
        OSError: it cannot be read.
    """
    pem = path.read_bytes()
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigurationError(f"{path}: a certificate in PEM is expected: {error}") from error
    return pem


class RequestHeaders:
    """Believes what such proxies say."""

    def __init__(self, settings: RequestHeaderSettings) -> None:
        self._settings = settings

    async def authenticate(self, credentials: Credentials) -> User | None:
        """See `Authenticator`."""
        settings, headers = self._settings, credentials.headers
        if headers is None or not issued_by(credentials.certificate, settings.authority):
            return None
        if settings.names and subject_of(credentials.certificate)[0].name not in settings.names:
            return None
        name = next(_values(headers, settings.users), "")
        if not name:
            return None
        uid, groups = next(_values(headers, settings.uids), ""), tuple(_values(headers, settings.groups))
        return User(name, uid, groups, self._extra(headers))

    def _extra(self, headers: Headers) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for header, value in headers.items():
            for prefix in self._settings.extra_prefixes:
                if header.lower().startswith(prefix.lower()):
                    key = unquote(header[len(prefix) :].lower())
                    found[key] = (*found.get(key, ()), value)
        return found


def _values(headers: Headers, names: Sequence[str]) -> Iterator[str]:
    return (value for name in names for value in headers.getall(name, ()))
