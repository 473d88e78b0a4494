"""Becomes a node: a key of our own, and a bootstrap token for a certificate. Run once; needs `cryptography`."""

import hashlib
import hmac
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node_agent.credentials import NodeCredentials
from timonel.rpc import node_pb2, node_pb2_grpc

JOIN_SECONDS = 15.0
RENEW_AT = 0.8
"""The part of a certificate's life after which it is renewed."""


class JoinFailure(Exception):
    """The master did not let us join; the text says why and what to do."""


class MasterUnreachable(JoinFailure):
    """Nobody answers at the master's address: it may be starting still."""


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[host]:port``. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"an address is host:port, not {address!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def join(address: str, node: str, token: str, ca_pin: str, directory: Path) -> NodeCredentials:
    """Join at the master's bootstrap address and store the credentials.

    ``ca_pin`` is ``sha256:<hex>`` of the CA's public key, as kubeadm has it. Raises JoinFailure.
    """
    ca_pem = pinned_ca(address, ca_pin)
    key_pem, csr_pem = signing_request(node)
    with grpc.secure_channel(address, grpc.ssl_channel_credentials(root_certificates=ca_pem)) as channel:
        request = node_pb2.JoinRequest(token=token, node_name=node, csr_pem=csr_pem)
        try:
            reply = node_pb2_grpc.BootstrapStub(channel).Join(request, timeout=JOIN_SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            raise JoinFailure(f"the master at {address} refused: {error.details()}") from error
    return store(directory, key_pem, reply)


def signing_request(node: str) -> tuple[bytes, bytes]:
    """A new key and the request for the node's certificate, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(name)).sign(key, hashes.SHA256())
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key_pem, request.public_bytes(serialization.Encoding.PEM)


def store(directory: Path, key_pem: bytes, reply: node_pb2.Credentials) -> NodeCredentials:
    """Write what the master gave. Raises JoinFailure when the certificate is not for our key."""
    certificate = x509.load_pem_x509_certificate(reply.certificate_pem)
    key = serialization.load_pem_private_key(key_pem, None)
    if certificate.public_key() != key.public_key():
        raise JoinFailure("the master signed another key than ours")
    now = datetime.now(UTC)
    renew_at = now + (certificate.not_valid_after_utc - now) * RENEW_AT
    credentials = NodeCredentials(directory)
    credentials.write(reply.certificate_pem, key_pem, reply.ca_pem, renew_at)
    return credentials


def pinned_ca(address: str, pin: str) -> bytes:
    """The CA's certificate (PEM) out of what the master presents, if its public key is the pinned one.

    Raises MasterUnreachable, JoinFailure.
    """
    try:
        presented = _presented_chain(*split_address(address))
    except (OSError, ValueError) as error:
        raise MasterUnreachable(f"cannot reach the master at {address}: {error}") from error
    for der in presented:
        certificate = x509.load_der_x509_certificate(der)
        if hmac.compare_digest(_public_key_pin(certificate), pin.lower()):
            return certificate.public_bytes(serialization.Encoding.PEM)
    raise JoinFailure(f"the master at {address} does not present the CA with the pin {pin}: check address and pin")


def _public_key_pin(certificate: x509.Certificate) -> str:
    info = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def _presented_chain(host: str, port: int) -> list[bytes]:
    """The certificates (DER) that the server presents. Nothing is trusted yet: the pin is checked against them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, port), timeout=JOIN_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        if hasattr(secure, "get_unverified_chain"):
            return [bytes(der) for der in secure.get_unverified_chain()]
        chain = secure._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # public since Python 3.13
        return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain]
