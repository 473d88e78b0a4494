"""The cluster's certificate authority and what it signs.

The authority is made at the first start and adopted at every later one. All keys are ECDSA P-256: quick to make, and
every TLS client of these years knows them.
"""

import hashlib
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from master import files

CA_LIFETIME = timedelta(days=3650)
SERVER_LIFETIME = timedelta(days=365)
CLIENT_LIFETIME = timedelta(days=365)
NODE_LIFETIME = timedelta(days=90)

BACKDATE = timedelta(minutes=5)
"""Certificates hold from a little before they were made, for peers whose clocks are behind."""

NODE_PREFIX = "system:node:"
NODES_GROUP = "system:nodes"
LONGEST_NODE_NAME = 64 - len(NODE_PREFIX)
"""X.509 gives a common name 64 characters."""

MINIMUM_RSA_BITS = 2048

Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address


class PkiError(Exception):
    """The authority's files cannot be used as they are."""


class CsrRefused(ValueError):
    """A certificate signing request asks for what its sender may not have; the text says what."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Pki:
    """A certificate authority and the keys that live beside it.

    `ca_pem` is the authority's certificate. `service_account_key` is the private key (PEM) that signs ServiceAccount
    tokens. Methods are quick and touch no disk.
    """

    def __init__(self, ca_pem: bytes, ca_key_pem: bytes, service_account_key: bytes) -> None:
        self.ca_pem = ca_pem
        self.service_account_key = service_account_key
        self._ca = x509.load_pem_x509_certificate(ca_pem)
        self._key = _load_signing_key(ca_key_pem)
        if self._ca.public_key() != self._key.public_key():
            raise PkiError("ca.crt and ca.key do not belong together: restore the pair from one backup")

    @classmethod
    def open(cls, directory: Path) -> "Pki":
        """Adopt the authority in `directory`, making what is missing: ca.key, ca.crt and sa.key.

        The key is written before the certificate, so a start that was cut short is completed by the next.

        Raises:
            PkiError: a certificate lies there without its key, or files do not fit together.
        """
        return cls(*_authority(directory, "ca"), files.adopt_or_create(directory / "sa.key", _new_key))

    @classmethod
    def open_front_proxy(cls, directory: Path) -> "Pki":
        """Adopt, or make, the authority beside the cluster's own by which extension servers know the API server.

        It must be another: whoever has a certificate of this one is believed whatever user it names.

        Raises:
            PkiError: a certificate lies there without its key, or files do not fit together.
        """
        return cls(*_authority(directory, "front-proxy-ca"), b"")

    @property
    def ca_hash(self) -> str:
        """The authority's pin, `sha256:` and the hex digest of its public key, as kubeadm has it."""
        return public_key_hash(self.ca_pem)

    def issue_server(self, hosts: Iterable[Host], lifetime: timedelta = SERVER_LIFETIME) -> KeyPair:
        """A server certificate for `hosts`: names, addresses, or addresses as text."""
        names = [_general_name(host) for host in dict.fromkeys(hosts)]
        if not names:
            raise ValueError("a server certificate needs a host name or an address")
        subject = _subject("timonel-server", [])
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(subject, key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, lifetime)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return KeyPair(self._sign(builder), _key_pem(key))

    def issue_client(self, name: str, groups: Sequence[str] = (), lifetime: timedelta = CLIENT_LIFETIME) -> KeyPair:
        """A client certificate for the user `name` in `groups`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._leaf(_subject(name, groups), key.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH, lifetime)
        return KeyPair(self._sign(builder), _key_pem(key))

    def sign_node(self, node: str, csr_pem: bytes, lifetime: timedelta = NODE_LIFETIME) -> bytes:
        """The certificate (PEM) of the node `node` for the key in its request.

        Only the public key is taken from the request. A request that asks for more than its sender's name is refused
        all the same, so that a confused or hostile sender is told and not served in part.

        Raises:
            CsrRefused: the request is not one, is not signed by its own key, has a weak key, or asks for another
                name, other groups, host names or the powers of an authority.
        """
        key = _checked_node_request(node, csr_pem)
        subject = _subject(NODE_PREFIX + node, [NODES_GROUP])
        return self._sign(self._leaf(subject, key, ExtendedKeyUsageOID.CLIENT_AUTH, lifetime))

    def sign_client(
        self,
        csr_pem: bytes,
        lifetime: timedelta = CLIENT_LIFETIME,
        *,
        signs: bool = True,
        enciphers: bool = False,
        serves: bool = False,
    ) -> bytes:
        """The client certificate (PEM) of a request that somebody has approved: its subject, names and key.

        ``signs`` and ``enciphers`` say which uses of the key, digital signature and key encipherment, it allows. One
        that ``serves`` is a server's, and no client's.

        Raises:
            CsrRefused: the request is not one, is not signed by its own key, or has a weak key.
        """
        request, key = _checked_request(csr_pem)
        uses = _key_usage(signs_certificates=False, signs=signs, enciphers=enciphers)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if serves else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._leaf(request.subject, key, purpose, lifetime, uses)
        with suppress(x509.ExtensionNotFound):
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            builder = builder.add_extension(names.value, critical=names.critical)
        return self._sign(builder)

    def _leaf(
        self,
        subject: x509.Name,
        key: "_PublicKey",
        usage: x509.ObjectIdentifier,
        lifetime: timedelta,
        uses: x509.KeyUsage | None = None,
    ) -> x509.CertificateBuilder:
        end = min(datetime.now(UTC) + lifetime, self._ca.not_valid_after_utc)
        return (
            _certificate(subject, self._ca.subject, key, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(uses or _key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


def _authority(directory: Path, name: str) -> tuple[bytes, bytes]:
    """The certificate and key of the authority of this name in a directory."""
    files.make_private_directory(directory)
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    if certificate.exists() and not key.exists():
        raise PkiError(f"{certificate} is there but {key} is not: restore the key, or remove both to start anew")
    ca_key = files.adopt_or_create(key, _new_key)
    return files.adopt_or_create(certificate, lambda: _self_signed(_load_signing_key(ca_key), name)), ca_key


def public_key_hash(certificate_pem: bytes) -> str:
    """`sha256:<hex>` of a certificate's SubjectPublicKeyInfo."""
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def server_hosts(
    addresses: Iterable[Host] = (), service_ip: Host | None = None, domain: str = "cluster.local"
) -> list[Host]:
    """The names and addresses under which clients reach the API server of this machine.

    Args:
        addresses: further names and addresses, for instance those of the machine's interfaces.
        service_ip: the cluster IP of the service default/kubernetes.
        domain: the cluster's DNS domain.
    """
    service = "kubernetes.default.svc"
    hosts: list[Host] = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    hosts += ["kubernetes", "kubernetes.default", service, f"{service}.{domain}"]
    hosts += addresses
    return hosts if service_ip is None else [*hosts, service_ip]


def _checked_node_request(node: str, csr_pem: bytes) -> _PublicKey:
    if len(node) > LONGEST_NODE_NAME:
        raise CsrRefused(f"a node's name has at most {LONGEST_NODE_NAME} characters, to fit into a certificate: {node}")
    request, key = _checked_request(csr_pem)
    if _attributes(request.subject) != _attributes(_subject(NODE_PREFIX + node, [NODES_GROUP])):
        wanted = f'"CN={NODE_PREFIX}{node},O={NODES_GROUP}"'
        raise CsrRefused(
            f'the request is for "{request.subject.rfc4514_string()}", but node {node} may have {wanted} only'
        )
    for extension in request.extensions:
        _check_extension(extension)
    return key


def _checked_request(csr_pem: bytes) -> tuple[x509.CertificateSigningRequest, _PublicKey]:
    """A request that is whole and signed by its own key, and that key, which is strong enough."""
    try:
        request = x509.load_pem_x509_csr(csr_pem)
        signed = request.is_signature_valid
        key = request.public_key()
        list(request.extensions)  # they are read when they are looked at first
    except (ValueError, TypeError, InvalidSignature, x509.DuplicateExtension) as error:
        raise CsrRefused(f"the certificate signing request cannot be read: {error}") from error
    if not signed:
        raise CsrRefused("the certificate signing request is not signed by its own key")
    return request, _checked_key(key)


def _check_extension(extension: "x509.Extension[x509.ExtensionType]") -> None:
    match extension.value:
        case x509.BasicConstraints(ca=True):
            raise CsrRefused("the request asks for a certificate that may sign others")
        case x509.SubjectAlternativeName():
            raise CsrRefused("the request asks for host names or addresses; a node's certificate has none")
        case _:
            return


def _checked_key(key: object) -> _PublicKey:
    match key:
        case ec.EllipticCurvePublicKey() if isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            return key
        case ed25519.Ed25519PublicKey():
            return key
        case rsa.RSAPublicKey() if key.key_size >= MINIMUM_RSA_BITS:
            return key
        case _:
            raise CsrRefused(
                "the request's key must be ECDSA (P-256, P-384, P-521), Ed25519, or RSA of 2048 bits or more"
            )


def _subject(name: str, groups: Sequence[str]) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _attributes(name: x509.Name) -> list[tuple[str, str | bytes]]:
    """The name's parts in an order of their own: requests may list them in any."""
    return sorted((attribute.oid.dotted_string, attribute.value) for attribute in name)


def _general_name(host: Host) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(str(host))


def _certificate(subject: x509.Name, issuer: x509.Name, key: _PublicKey, end: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - BACKDATE)
        .not_valid_after(end)
    )


def _key_usage(*, signs_certificates: bool, signs: bool = True, enciphers: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=enciphers,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    subject = _subject(f"timonel-{name}", [])
    certificate = (
        _certificate(subject, subject, key.public_key(), datetime.now(UTC) + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _new_key() -> bytes:
    return _key_pem(ec.generate_private_key(ec.SECP256R1()))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_signing_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise PkiError(f"the authority's key cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError(f"the authority's key must be ECDSA, not {type(key).__name__}")
    return key
