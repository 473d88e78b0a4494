"""What Kubernetes' own signers sign, rule by rule
(https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers).

Each rule refuses with the words that Kubernetes' signers have for it.
"""

import base64
from collections.abc import Callable, Collection, Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID

from master.pki import NODE_PREFIX, NODES_GROUP, CsrRefused
from timonel.api.types import certificates_v1 as v1

CLIENT, KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
CLIENT_AUTH, SERVER_AUTH = "client auth", "server auth"
SIGNATURE, ENCIPHERMENT = "digital signature", "key encipherment"

_URI = x509.UniformResourceIdentifier

Rule = Callable[[x509.CertificateSigningRequest, Collection[str]], None]


def check(spec: v1.CertificateSigningRequestSpec) -> x509.CertificateSigningRequest:
    """The request that a CertificateSigningRequest holds, which its signer may sign.

    Raises:
        CsrRefused: the signer does not sign this.
        KeyError: the signer is none of ours.
    """
    rule = SIGNERS[spec.signerName]
    try:
        request = x509.load_pem_x509_csr(base64.b64decode(spec.request))
    except (ValueError, TypeError) as error:
        raise CsrRefused(f"unable to parse csr: {error}") from error
    rule(request, spec.usages)
    return request


def common_name(request: x509.CertificateSigningRequest) -> str:
    """The user that the certificate would stand for; empty where it says none."""
    return next((str(part.value) for part in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)), "")


def _client(request: x509.CertificateSigningRequest, usages: Collection[str]) -> None:
    for usage in usages:
        if usage not in (CLIENT_AUTH, SIGNATURE, ENCIPHERMENT):
            raise CsrRefused(f"invalid usage for client certificate: {usage}")
    if CLIENT_AUTH not in usages:
        raise CsrRefused(f"missing required usage for client certificate: {CLIENT_AUTH}")


def _kubelet_client(request: x509.CertificateSigningRequest, usages: Collection[str]) -> None:
    _for_nodes(request)
    names = _names(request)
    for kind, word in ((x509.DNSName, "DNS"), (x509.RFC822Name, "Email"), (x509.IPAddress, "IP"), (_URI, "URI")):
        _refuse_names(names, kind, word)
    _node_named(request)
    _exactly(usages, CLIENT_AUTH)


def _kubelet_serving(request: x509.CertificateSigningRequest, usages: Collection[str]) -> None:
    _for_nodes(request)
    names = _names(request)
    if not any(isinstance(name, x509.DNSName | x509.IPAddress) for name in names):
        raise CsrRefused("DNS or IP subjectAltName is required")
    _refuse_names(names, x509.RFC822Name, "Email")
    _refuse_names(names, _URI, "URI")
    _exactly(usages, SERVER_AUTH)
    _node_named(request)


SIGNERS: Mapping[str, Rule] = {CLIENT: _client, KUBELET_CLIENT: _kubelet_client, KUBELET_SERVING: _kubelet_serving}
"""The signers by name. kubernetes.io/legacy-unknown cannot be asked through this version of the API."""


def _for_nodes(request: x509.CertificateSigningRequest) -> None:
    groups = [part.value for part in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if groups != [NODES_GROUP]:
        raise CsrRefused(f"subject organization is not {NODES_GROUP}")


def _node_named(request: x509.CertificateSigningRequest) -> None:
    if not common_name(request).startswith(NODE_PREFIX):
        raise CsrRefused(f"subject common name does not begin with {NODE_PREFIX}")


def _exactly(usages: Collection[str], purpose: str) -> None:
    """The purpose and a signature; encipherment too, where the key can do it."""
    if set(usages) - {ENCIPHERMENT} != {SIGNATURE, purpose}:
        raise CsrRefused(f"usages did not match [{' '.join(sorted((purpose, SIGNATURE, ENCIPHERMENT)))}]")


def _names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []
    except (ValueError, x509.DuplicateExtension) as error:
        raise CsrRefused(f"unable to parse csr: {error}") from error


def _refuse_names(names: Collection[x509.GeneralName], kind: type[x509.GeneralName], word: str) -> None:
    if any(isinstance(name, kind) for name in names):
        raise CsrRefused(f"{word} subjectAltNames are not allowed")
