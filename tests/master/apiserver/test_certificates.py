"""Certificates by request: asked for, approved or denied, signed, and used; with kubectl and plain HTTP."""

import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from master.controllers.certificate_signing import certificate_approval, certificate_signing
from master.controllers.engine import Engine
from master.controllers.signers import check
from master.pki import CsrRefused
from master.registry.base import User, component
from timonel.api.errors import Forbidden, Invalid
from timonel.api.types import certificates_v1, rbac_v1

Csr = certificates_v1.CertificateSigningRequest
Say = Callable[..., Awaitable[Any]]
NAMES = x509.Name(
    [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "devs"), x509.NameAttribute(NameOID.COMMON_NAME, "jane")]
)
SIGNER = "kubernetes.io/kube-apiserver-client"


def request(subject: x509.Name = NAMES, *names: x509.GeneralName) -> str:
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        csr = csr.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = csr.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def manifest(name: str, **spec: Any) -> dict[str, Any]:
    spec = {"request": request(), "signerName": SIGNER, "usages": ["client auth"], **spec}
    kept = {key: value for key, value in spec.items() if value is not None}
    gvk = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**gvk, "metadata": {"name": name}, "spec": kept}


@pytest.fixture
async def signing(served: Any) -> AsyncIterator[None]:
    """The signer."""
    engine = Engine(
        served.registry, controllers=[certificate_approval(served.registry), certificate_signing(served.pki)]
    )
    await engine.start()
    yield
    await engine.close()


@pytest.fixture
def status(served: Any) -> Callable[[str], Any]:
    """The status of a request as the caches know it."""
    resource = served.registry.resources.of(Csr)

    def read(name: str) -> Any:
        item = served.registry.cache(Csr).get(resource.key("", name))
        return item.object.status if item else certificates_v1.CertificateSigningRequestStatus()

    return read


@pytest.mark.kubectl
async def test_an_approved_request_is_signed(kubectl: Say, signing: None, status: Any, eventually: Any) -> None:
    wanted = manifest("jane", usages=["client auth", "digital signature"], expirationSeconds=3600)
    await kubectl("create", "-f", "-", stdin=json.dumps(wanted))
    row = (await kubectl("get", "csr", "jane")).out.splitlines()[1].split()
    assert row[2:] == [SIGNER, "kubernetes-admin", "60m", "Pending"]
    done = await kubectl("certificate", "approve", "jane")
    assert done.out == "certificatesigningrequest.certificates.k8s.io/jane approved\n"
    await eventually(lambda: status("jane").certificate)
    certificate = x509.load_pem_x509_certificate(base64.b64decode(status("jane").certificate))
    assert certificate.subject == NAMES
    assert certificate.not_valid_after_utc <= datetime.now(UTC) + timedelta(hours=1)
    uses = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (uses.digital_signature, uses.key_encipherment, uses.key_cert_sign) == (True, False, False)
    assert (await kubectl("get", "csr", "jane")).out.splitlines()[1].split()[-1] == "Approved,Issued"


@pytest.mark.kubectl
async def test_a_denied_request_is_not(kubectl: Say, signing: None, status: Any) -> None:
    await kubectl("create", "-f", "-", stdin=json.dumps(manifest("jane")))
    done = await kubectl("certificate", "deny", "jane")
    assert done.out == "certificatesigningrequest.certificates.k8s.io/jane denied\n"
    assert (await kubectl("get", "csr", "jane")).out.splitlines()[1].split()[-1] == "Denied"
    refused = await kubectl("certificate", "approve", "jane")
    assert refused.code == 1
    assert not status("jane").certificate


@pytest.mark.kubectl
async def test_what_cannot_be_signed_fails(kubectl: Say, signing: None, status: Any, eventually: Any) -> None:
    await kubectl("create", "-f", "-", stdin=json.dumps(manifest("jane", usages=["server auth"])))
    await kubectl("certificate", "approve", "jane")
    await eventually(lambda: {c.type for c in status("jane").conditions} == {"Approved", "Failed"})
    failed = next(c for c in status("jane").conditions if c.type == "Failed")
    assert (failed.reason, failed.message) == (
        "SignerValidationFailure",
        "invalid usage for client certificate: server auth",
    )
    assert not status("jane").certificate


def node_named(name: str, group: str = "system:nodes") -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


NODE = node_named("system:node:n")
HOST = x509.DNSName("n.example.com")
SERVING, CLIENT = ["server auth", "digital signature"], ["client auth", "digital signature"]


@pytest.mark.parametrize(
    ("signer", "usages", "wanted", "why"),
    [
        ("kubelet-serving", SERVING, request(NODE, HOST), ""),
        ("kubelet-serving", SERVING, request(NODE), "DNS or IP subjectAltName is required"),
        ("kubelet-serving", SERVING, request(NAMES, HOST), "subject organization is not system:nodes"),
        ("kubelet-serving", CLIENT, request(NODE, HOST), "usages did not match [digital signature key enc"),
        ("kubelet-serving", SERVING, request(NODE, HOST, x509.RFC822Name("a@b.c")), "Email subjectAltNames are not"),
        ("kube-apiserver-client-kubelet", [*CLIENT, "key encipherment"], request(NODE), ""),
        ("kube-apiserver-client-kubelet", CLIENT, request(NODE, HOST), "DNS subjectAltNames are not allowed"),
        ("kube-apiserver-client-kubelet", ["client auth"], request(NODE), "usages did not match [client auth digital"),
        ("kube-apiserver-client-kubelet", CLIENT, request(node_named("x")), "subject common name does not begin with"),
    ],
)
def test_signers_sign_what_they_are_for(signer: str, usages: list[str], wanted: str, why: str) -> None:
    spec = certificates_v1.CertificateSigningRequestSpec(
        signerName=f"kubernetes.io/{signer}", usages=usages, request=wanted
    )
    if not why:
        check(spec)
        return
    with pytest.raises(CsrRefused, match=re.escape(why)):
        check(spec)


async def test_nodes_are_approved_by_role(served: Any, signing: None, status: Any, eventually: Any) -> None:
    asked = manifest(
        "n", signerName="kubernetes.io/kube-apiserver-client-kubelet", usages=CLIENT, request=request(NODE)
    )
    joe = User("joe", groups=("system:authenticated",))
    await bind(served, "csr", "system:node-bootstrapper")
    await served.registry.cache(rbac_v1.ClusterRoleBinding).fresh()
    await create(served, asked, User("jane", groups=("system:authenticated",)))
    with pytest.raises(Forbidden):
        await create(served, asked, joe)
    await create(served, {**asked, "metadata": {"name": "mine"}}, component("node:n"))
    await eventually(lambda: status("mine").certificate)
    assert status("mine").conditions[0].message.startswith("Auto approving self kubelet client certificate")
    await create(served, {**asked, "metadata": {"name": "another's"}})
    await eventually(lambda: status("another's").certificate)
    assert not status("n").conditions, "who may ask is not approved for that alone"


async def create(served: Any, body: dict[str, Any], who: User | None = None) -> Any:
    made = await served.registry.create(who or component("test"), Csr, "", json.dumps(body).encode())
    return json.loads(made.raw)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"request": base64.b64encode(b"x").decode()}, "spec.request: Invalid value"),
        ({"usages": None}, "spec.usages: Required value"),
        ({"usages": ["client auth", "magic"]}, 'spec.usages[1]: Unsupported value: "magic"'),
        ({"usages": ["any", "any"]}, 'spec.usages[1]: Duplicate value: "any"'),
        ({"signerName": ""}, "spec.signerName: Required value"),
        ({"signerName": "example"}, "must be a fully qualified domain and path of the form 'example.com/signer-name'"),
        ({"signerName": "example/x"}, "should be a domain with at least two segments separated by dots"),
        ({"signerName": "kubernetes.io/legacy-unknown"}, "the legacy signerName is not allowed via this API version"),
        ({"expirationSeconds": 599}, "may not specify a duration less than 600 seconds (10 minutes)"),
    ],
)
async def test_requests_must_make_sense(served: Any, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as refused:
        await create(served, manifest("x", **spec))
    assert message in refused.value.message


async def test_nobody_asks_to_be_an_administrator(served: Any) -> None:
    masters = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters")])
    with pytest.raises(Forbidden, match=f"use of {SIGNER} signer with system:masters group is not allowed"):
        await create(served, manifest("x", request=request(masters)))


async def test_who_asks_is_noted_and_what_is_asked_stays(served: Any) -> None:
    made = await create(served, {**manifest("x"), "status": {"certificate": "eA=="}})
    made["spec"]["username"] = "jane"
    made["spec"]["usages"] = ["any"]
    made["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    done = await served.registry.update(component("test"), Csr, "", "x", json.dumps(made).encode())
    after = json.loads(done.raw)
    assert after["spec"]["username"] == "system:test"
    assert after["spec"]["groups"] == ["system:masters", "system:authenticated"]
    assert after["spec"]["usages"] == ["client auth"]
    assert after.get("status", {}) == {}


async def test_approving_and_signing_need_rights_for_the_signer(served: Any) -> None:
    who = component("test")
    jane = User("jane", groups=("system:authenticated",))
    rules = [
        rbac_v1.PolicyRule(
            verbs=["update"],
            apiGroups=["certificates.k8s.io"],
            resources=["certificatesigningrequests/approval", "certificatesigningrequests/status"],
        )
    ]
    role = rbac_v1.ClusterRole(rules=rules)
    role.metadata.name = "approver"
    await served.registry.create(who, rbac_v1.ClusterRole, "", role)
    await bind(served, "b", "approver")
    made = await create(served, manifest("x"))
    made["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    body = json.dumps(made).encode()

    async def approve() -> Any:
        return await served.registry.update(jane, Csr, "", "x", body, subresource="approval")

    await served.registry.cache(rbac_v1.ClusterRoleBinding).fresh()
    await served.registry.cache(rbac_v1.ClusterRole).fresh()
    with pytest.raises(Forbidden, match=f'user not permitted to approve requests with signerName "{SIGNER}"'):
        await approve()
    await bind(served, "c", "system:certificates.k8s.io:kube-apiserver-client-approver")
    await served.registry.cache(rbac_v1.ClusterRoleBinding).fresh()
    approved = json.loads((await approve()).raw)
    assert approved["status"]["conditions"][0]["lastUpdateTime"]
    approved["status"]["certificate"] = base64.b64encode(served.pki.ca_pem).decode()
    with pytest.raises(Forbidden, match="user not permitted to sign requests"):
        await served.registry.update(jane, Csr, "", "x", json.dumps(approved).encode(), subresource="status")


async def bind(served: Any, name: str, role: str) -> None:
    binding = rbac_v1.ClusterRoleBinding(
        roleRef=rbac_v1.RoleRef(kind="ClusterRole", name=role), subjects=[rbac_v1.Subject(kind="User", name="jane")]
    )
    binding.metadata.name = name
    await served.registry.create(component("test"), rbac_v1.ClusterRoleBinding, "", binding)


async def test_decisions_are_kept(served: Any) -> None:
    who = component("test")
    made = await create(served, manifest("x"))
    made["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    done = await served.registry.update(who, Csr, "", "x", json.dumps(made).encode(), subresource="approval")
    decided = json.loads(done.raw)
    decided["status"] = {"conditions": []}
    with pytest.raises(Invalid, match='updates may not remove a condition of type "Approved"'):
        await served.registry.update(who, Csr, "", "x", json.dumps(decided).encode(), subresource="approval")
    decided["status"] = {"conditions": [{"type": t, "status": "True"} for t in ("Approved", "Denied")]}
    with pytest.raises(Invalid, match="mutually exclusive"):
        await served.registry.update(who, Csr, "", "x", json.dumps(decided).encode(), subresource="approval")
    decided["status"] = {"conditions": [{"type": "Denied", "status": "True"}]}
    kept = await served.registry.update(who, Csr, "", "x", json.dumps(decided).encode(), subresource="status")
    assert [c["type"] for c in json.loads(kept.raw)["status"]["conditions"]] == ["Approved"]
