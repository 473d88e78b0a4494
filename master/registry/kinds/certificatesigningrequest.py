"""CertificateSigningRequests."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.objects import Call
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Part, Status
from master.registry.validation.certificates import APPROVED, DENIED, FAILED, validate_change, validate_spec
from timonel.api import names, time
from timonel.api.fields import FieldError
from timonel.api.types import certificates_v1 as v1

_DECISIONS = (APPROVED, DENIED)


class Approval(Part[v1.CertificateSigningRequest]):
    """The decision, written by who may approve."""

    name = "approval"

    def prepare(self, new: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest, call: Call) -> None:
        """Keep all but the conditions."""
        new.spec = old.spec
        new.status.certificate = old.status.certificate
        _date(new, old, call)

    def validate(self, new: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest) -> Iterator[FieldError]:
        """See `validation.certificates`."""
        yield from validate_change(new.status, old.status)


@kind(v1.CertificateSigningRequest, plural="certificatesigningrequests", short=["csr"], namespaced=False)
class CertificateSigningRequests(Strategy[v1.CertificateSigningRequest]):
    """Asks for a certificate; somebody approves, a signer signs."""

    columns = [
        age(),
        Column("SignerName", lambda csr: csr.spec.signerName),
        Column("Requestor", lambda csr: csr.spec.username),
        Column("RequestedDuration", lambda csr: _duration(csr.spec.expirationSeconds)),
        Column("Condition", lambda csr: _state(csr.status)),
    ]
    selectable = {"spec.signerName": lambda csr: csr.spec.signerName}
    subresources = [Status(), Approval()]
    validate_name = staticmethod(names.path_segment)

    def prepare_create(self, obj: v1.CertificateSigningRequest, call: Call) -> None:
        """Note who asks; nothing is decided yet."""
        user = call.user
        obj.spec.username, obj.spec.uid, obj.spec.groups = user.name, user.uid, list(user.groups)
        obj.spec.extra = {key: list(values) for key, values in user.extra.items()}
        obj.status = v1.CertificateSigningRequestStatus()

    def prepare_update(self, new: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest, call: Call) -> None:
        """What is asked for can never be changed."""
        new.spec = old.spec

    def prepare_status(self, new: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest, call: Call) -> None:
        """Keep the decision, which has a subresource of its own."""
        others = [condition for condition in new.status.conditions if condition.type not in _DECISIONS]
        decided = [condition for condition in old.status.conditions if condition.type in _DECISIONS]
        new.status.conditions = [*decided, *others]
        _date(new, old, call)

    def validate(
        self, obj: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest | None
    ) -> Iterator[FieldError]:
        """See `validation.certificates`."""
        if old is None:
            yield from validate_spec(obj.spec)

    def validate_status(
        self, new: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest
    ) -> Iterator[FieldError]:
        """See `validation.certificates`."""
        yield from validate_change(new.status, old.status)


def _date(new: v1.CertificateSigningRequest, old: v1.CertificateSigningRequest, call: Call) -> None:
    """Say when conditions were written and changed, where their writer does not."""
    before = {condition.type: condition for condition in old.status.conditions}
    for condition in new.status.conditions:
        known = before.get(condition.type)
        condition.lastUpdateTime = condition.lastUpdateTime or call.now
        if not condition.lastTransitionTime:
            same = known is not None and known.status == condition.status
            condition.lastTransitionTime = (known.lastTransitionTime if known and same else None) or call.now


def _state(status: v1.CertificateSigningRequestStatus) -> str:
    present = {condition.type for condition in status.conditions}
    words = [DENIED if DENIED in present else APPROVED if APPROVED in present else ""]
    words += [FAILED] if FAILED in present else []
    words += ["Issued"] if status.certificate else []
    return ",".join(word for word in words if word) or "Pending"


def _duration(seconds: int | None) -> str:
    return "<none>" if seconds is None else time.human_duration(seconds)
