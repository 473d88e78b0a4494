"""The authority: what it signs is believed by TLS, what it must not sign it refuses."""

import asyncio
import ssl
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from master import kubeconfig
from master.pki import CsrRefused, KeyPair, Pki, PkiError, public_key_hash, server_hosts


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki.open(tmp_path / "pki")


def request(
    name: str = "system:node:n1",
    group: str = "system:nodes",
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    *extensions: x509.ExtensionType,
) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def context(purpose: ssl.Purpose, ca_pem: bytes, pair: KeyPair | None, scratch: Path) -> ssl.SSLContext:
    result = ssl.create_default_context(purpose, cadata=ca_pem.decode())
    if pair is not None:
        file = scratch / f"{purpose.shortname}.pem"
        file.write_bytes(pair.certificate + pair.key)
        result.load_cert_chain(file)
    return result


async def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict[str, object]:
    """Connect with TLS on both sides; what the server saw of the client's certificate."""
    seen: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(writer.get_extra_info("peercert"))
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
        writer.close()
        return await asyncio.wait_for(seen, 10)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "kubernetes.default.svc", "10.96.0.1", "192.0.2.7"])
async def test_tls_believes_the_chain(pki: Pki, tmp_path: Path, host: str) -> None:
    server = context(
        ssl.Purpose.CLIENT_AUTH, pki.ca_pem, pki.issue_server(server_hosts(["192.0.2.7"], "10.96.0.1")), tmp_path
    )
    server.verify_mode = ssl.CERT_REQUIRED
    client = context(ssl.Purpose.SERVER_AUTH, pki.ca_pem, pki.issue_client("alice", ["dev", "ops"]), tmp_path)
    seen = await handshake(server, client, host)
    assert seen["subject"] == (
        (("organizationName", "dev"),),
        (("organizationName", "ops"),),
        (("commonName", "alice"),),
    )


async def test_tls_refuses_other_names_and_other_authorities(pki: Pki, tmp_path: Path) -> None:
    server = context(ssl.Purpose.CLIENT_AUTH, pki.ca_pem, pki.issue_server(["localhost"]), tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"example\.com"):
        await handshake(server, context(ssl.Purpose.SERVER_AUTH, pki.ca_pem, None, tmp_path), "example.com")
    stranger = Pki.open(tmp_path / "other").ca_pem
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, context(ssl.Purpose.SERVER_AUTH, stranger, None, tmp_path), "localhost")


def test_a_node_gets_its_own_name_and_nothing_else(pki: Pki) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = x509.load_pem_x509_certificate(pki.sign_node("n1", request(key=key)))
    assert certificate.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
    assert certificate.public_key() == key.public_key()
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.ca_pem))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: request("system:node:n2"), "node n1 may have"),
        (lambda: request("kubernetes-admin"), "node n1 may have"),
        (lambda: request(group="system:masters"), "node n1 may have"),
        (lambda: request("system:node:n1", "system:nodes", rsa.generate_private_key(65537, 1024)), "2048 bits"),
        (
            lambda: request("system:node:n1", "system:nodes", None, x509.BasicConstraints(ca=True, path_length=None)),
            "sign others",
        ),
        (
            lambda: request(
                "system:node:n1", "system:nodes", None, x509.SubjectAlternativeName([x509.DNSName("kubernetes")])
            ),
            "host names",
        ),
        (lambda: b"garbage", "cannot be read"),
        (lambda: b"", "cannot be read"),
    ],
)
def test_a_request_for_more_is_refused(pki: Pki, make: Callable[[], bytes], why: str) -> None:
    with pytest.raises(CsrRefused, match=why):
        pki.sign_node("n1", make())


def test_a_request_signed_by_another_key_is_refused(pki: Pki) -> None:
    der = bytearray(x509.load_pem_x509_csr(request()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CsrRefused, match=r"signed by its own key|cannot be read"):
        pki.sign_node("n1", forged)


def test_a_name_too_long_for_a_certificate_is_refused(pki: Pki) -> None:
    with pytest.raises(CsrRefused, match="52 characters"):
        pki.sign_node("n" * 53, request())


def test_a_second_start_adopts_the_authority(tmp_path: Path) -> None:
    first, second = Pki.open(tmp_path), Pki.open(tmp_path)
    assert (first.ca_pem, first.service_account_key) == (second.ca_pem, second.service_account_key)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert {file.name for file in tmp_path.iterdir()} == {"ca.crt", "ca.key", "sa.key"}


def test_starts_at_the_same_time_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: Pki.open(tmp_path).ca_pem, range(8)))) == 1


def test_a_start_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    pin = Pki.open(tmp_path).ca_hash
    (tmp_path / "ca.crt").unlink()
    assert Pki.open(tmp_path).ca_hash == pin


def test_a_lost_or_foreign_key_is_not_papered_over(tmp_path: Path) -> None:
    Pki.open(tmp_path / "a")
    Pki.open(tmp_path / "b")
    (tmp_path / "a" / "ca.key").replace(tmp_path / "b" / "ca.key")
    with pytest.raises(PkiError, match="restore the key"):
        Pki.open(tmp_path / "a")
    with pytest.raises(PkiError, match="do not belong together"):
        Pki.open(tmp_path / "b")


def test_the_pin_is_that_of_the_public_key(pki: Pki) -> None:
    assert pki.ca_hash == public_key_hash(pki.ca_pem)
    assert pki.ca_hash.startswith("sha256:")
    assert len(pki.ca_hash) == len("sha256:") + 64


async def test_an_admin_kubeconfig_holds_what_a_client_needs(pki: Pki, tmp_path: Path) -> None:
    import base64

    text = kubeconfig.to_yaml(kubeconfig.admin_kubeconfig(pki, "https://127.0.0.1:6443"))
    config = yaml.safe_load(text)
    user = config["users"][0]["user"]
    pair = KeyPair(base64.b64decode(user["client-certificate-data"]), base64.b64decode(user["client-key-data"]))
    server = context(ssl.Purpose.CLIENT_AUTH, pki.ca_pem, pki.issue_server(["127.0.0.1"]), tmp_path)
    server.verify_mode = ssl.CERT_REQUIRED
    ca_pem = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    seen = await handshake(server, context(ssl.Purpose.SERVER_AUTH, ca_pem, pair, tmp_path), "127.0.0.1")
    assert seen["subject"] == ((("organizationName", "system:masters"),), (("commonName", "kubernetes-admin"),))
    assert config["current-context"] == "kubernetes-admin@timonel"
