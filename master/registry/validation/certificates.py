"""The rules of CertificateSigningRequests (Kubernetes' apis/certificates/validation)."""

import base64
import binascii
from collections.abc import Iterator

from cryptography import x509

from master.registry.validation.common import repeats
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_supported, required
from timonel.api.types import certificates_v1 as v1

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
SHORTEST = 600
"""Seconds that a certificate must be good for."""
LEGACY = "kubernetes.io/legacy-unknown"
USAGES = frozenset(
    {
        "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
        "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
        "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
        "server auth", "signing", "timestamping",
    }
)  # fmt: skip

_SPEC, _STATUS = Path("spec"), Path("status")


def validate_spec(spec: v1.CertificateSigningRequestSpec) -> Iterator[FieldError]:
    """A request that can be read, for known usages, to a signer with a full name."""
    pem, at = base64.b64decode(spec.request), _SPEC.child("request")
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
        yield invalid(at, spec.request, "PEM block type must be CERTIFICATE REQUEST")
    else:
        try:
            x509.load_pem_x509_csr(pem)
        except ValueError as error:
            yield invalid(at, spec.request, f"it is no certificate request: {error}")
    usages = _SPEC.child("usages")
    if not spec.usages:
        yield required(usages)
    again = repeats(spec.usages)
    for index, usage in enumerate(spec.usages):
        if usage not in USAGES:
            yield not_supported(usages.index(index), usage, sorted(USAGES))
        elif again[index]:
            yield duplicate(usages.index(index), usage)
    if spec.signerName == LEGACY:
        why = "the legacy signerName is not allowed via this API version"
        yield invalid(_SPEC.child("signerName"), spec.signerName, why)
    else:
        yield from _signer(spec.signerName, _SPEC.child("signerName"))
    seconds = spec.expirationSeconds
    if seconds is not None and seconds < SHORTEST:
        why = f"may not specify a duration less than {SHORTEST} seconds (10 minutes)"
        yield invalid(_SPEC.child("expirationSeconds"), seconds, why)


def validate_change(
    new: v1.CertificateSigningRequestStatus, old: v1.CertificateSigningRequestStatus
) -> Iterator[FieldError]:
    """Conditions make sense, what was decided stays decided, and a certificate that was given stays."""
    path = _STATUS.child("conditions")
    again = repeats(condition.type for condition in new.conditions)
    for index, condition in enumerate(new.conditions):
        yield from _condition(condition, path.index(index))
        if again[index]:
            yield duplicate(path.index(index).child("type"), condition.type)
    present = {condition.type for condition in new.conditions}
    if {APPROVED, DENIED} <= present:
        yield invalid(path, DENIED, "Approved and Denied conditions are mutually exclusive")
    for condition in old.conditions:
        if condition.type in (APPROVED, DENIED, FAILED) and condition.type not in present:
            yield forbidden(path, f'updates may not remove a condition of type "{condition.type}"')
    if old.certificate and new.certificate != old.certificate:
        yield forbidden(_STATUS.child("certificate"), "updates may not modify existing certificate content")
    elif new.certificate != old.certificate:
        yield from _certificate(new.certificate, _STATUS.child("certificate"))


def _signer(name: str, path: Path) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        yield invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")
        return
    for fault in names.subdomain(domain):
        yield invalid(path, domain, f"validating label {domain!r}: {fault}")
    if "." not in domain:
        yield invalid(path, domain, "should be a domain with at least two segments separated by dots")
    for part in rest.split("."):
        for fault in names.subdomain(part):
            yield invalid(path, rest, f"validating label {part!r}: {fault}")


def _condition(condition: v1.CertificateSigningRequestCondition, path: Path) -> Iterator[FieldError]:
    if not condition.type:
        yield required(path.child("type"))
    if not condition.status:
        yield required(path.child("status"))
    elif condition.type in (APPROVED, DENIED, FAILED) and condition.status != "True":
        yield not_supported(path.child("status"), condition.status, ("True",))
    elif condition.status not in ("True", "False", "Unknown"):
        yield not_supported(path.child("status"), condition.status, ("False", "True", "Unknown"))


def _certificate(text: str, path: Path) -> Iterator[FieldError]:
    try:
        x509.load_pem_x509_certificates(base64.b64decode(text, validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        yield invalid(path, "<certificate data>", f"must contain one or more PEM blocks: {error}")
