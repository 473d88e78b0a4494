"""AdmissionReview, question and answer; pure. Versions v1 and v1beta1 differ in how strictly answers are read."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from master.registry.admission.base import Attributes
from master.registry.admission.webhooks.forms import Form
from master.registry.base import DeleteOptions, Resource, Verb, WriteOptions
from timonel.api.errors import StatusError, from_status
from timonel.api.gvk import GVK
from timonel.api.types import meta_v1

GROUP = "admission.k8s.io"
VERSIONS = ("v1", "v1beta1")
JSON_PATCH = "JSONPatch"
LONGEST_WARNING = 256
MOST_WARNINGS = 16
OPTIONS = {Verb.CREATE: "CreateOptions", Verb.UPDATE: "UpdateOptions", Verb.DELETE: "DeleteOptions"}


class BadAnswer(Exception):
    """What the webhook answered is no answer to the question."""


class _Response(msgspec.Struct):
    uid: str = ""
    allowed: bool = False
    status: meta_v1.Status | None = None
    patch: str | None = None
    patchType: str | None = None
    warnings: list[str] | None = None
    auditAnnotations: dict[str, str] | None = None


class _Review(msgspec.Struct):
    apiVersion: str = ""
    kind: str = ""
    response: _Response | None = None


_decoder = msgspec.json.Decoder(_Review)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook says of a write."""

    allowed: bool
    status: meta_v1.Status | None = None
    """Why it is not allowed, in the webhook's words."""
    patch: bytes = b""
    """A JSON patch, as JSON; empty for none."""
    warnings: tuple[str, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict)
    """What it wants to be in the audit log, by keys of its own."""


def question(attributes: Attributes, form: Form, requested: Form, uid: str) -> dict[str, Any]:
    """The request part of a review of the write, its object in ``form``; the caller speaks of it as ``requested``."""
    call, operation = attributes.call, attributes.operation
    namespace = call.name if call.resource.plural == "namespaces" and not call.resource.gvk.group else call.namespace
    asked: dict[str, Any] = {
        "uid": uid,
        "kind": _kind(form.gvk),
        "resource": _resource(form.resource),
        "requestKind": _kind(requested.gvk),
        "requestResource": _resource(requested.resource),
        "name": "" if call.verb is Verb.DELETECOLLECTION else call.name,
        "namespace": namespace,
        "subResource": call.subresource,
        "requestSubResource": call.subresource,
        "operation": operation.upper(),
        "userInfo": _user(attributes),
    }
    asked = {key: value for key, value in asked.items() if value != ""}
    asked["object"] = form.document(attributes.object)
    asked["oldObject"] = form.document(attributes.old)
    asked["dryRun"] = call.dry_run
    asked["options"] = _options(attributes)
    return asked


def review(asked: dict[str, Any], version: str) -> bytes:
    """The whole question as JSON."""
    return msgspec.json.encode({"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": asked})


def read(raw: bytes, uid: str, version: str, *, may_patch: bool) -> Answer:
    """The answer to the question with this uid.

    Raises:
        BadAnswer: it is none, or it claims a right that this kind of webhook has not.
    """
    try:
        given = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAnswer(f"couldn't get version/kind; json parse error: {error}") from None
    response = given.response
    if response is None:
        raise BadAnswer("webhook response was absent")
    if version == "v1":
        _check_head(given, response, uid)
    return Answer(
        allowed=response.allowed,
        status=response.status,
        patch=_patch(response, version, may_patch=may_patch),
        warnings=_warnings(response.warnings or []),
        remarks=response.auditAnnotations or {},
    )


def denial(name: str, status: meta_v1.Status | None) -> StatusError:
    """The refusal of a write by the webhook of this name, with the code and the reason that it gave."""
    denied = f'admission webhook "{name}" denied the request'
    given = status or meta_v1.Status()
    if given.message:
        message = f"{denied}: {given.message}"
    elif given.reason:
        message = f"{denied}: {given.reason}"
    else:
        message = f"{denied} without explanation"
    code = given.code if given.code and 400 <= given.code < 600 else 400
    status = meta_v1.Status(status="Failure", message=message, code=code, reason=given.reason, details=given.details)
    return from_status(status)


def _check_head(given: _Review, response: _Response, uid: str) -> None:
    if (given.apiVersion, given.kind) != (f"{GROUP}/v1", "AdmissionReview"):
        found = f"{given.apiVersion}, Kind={given.kind}"
        raise BadAnswer(f"expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {found}")
    if response.uid != uid:
        raise BadAnswer(f'expected response.uid="{uid}", got "{response.uid[:64]}"')


def _patch(response: _Response, version: str, *, may_patch: bool) -> bytes:
    patch, kind = response.patch or "", response.patchType
    if not may_patch:
        if patch or kind:
            raise BadAnswer(f"webhook may not return response.{'patch' if patch else 'patchType'}")
        return b""
    if patch and kind is None and version == "v1":
        raise BadAnswer("webhook returned response.patch but not response.patchType")
    if kind is not None and not patch and version == "v1":
        raise BadAnswer("webhook returned response.patchType but not response.patch")
    if kind not in (None, JSON_PATCH):
        raise BadAnswer(f'webhook returned invalid response.patchType of "{kind}"')
    try:
        return base64.b64decode(patch, validate=True)
    except binascii.Error as error:
        raise BadAnswer(f"response.patch is no base64: {error}") from None


def _warnings(given: list[str]) -> tuple[str, ...]:
    return tuple(" ".join(text.split())[:LONGEST_WARNING] for text in given[:MOST_WARNINGS])


def _kind(gvk: GVK) -> dict[str, str]:
    return {"group": gvk.group, "version": gvk.version, "kind": gvk.kind}


def _resource(resource: Resource) -> dict[str, str]:
    return {"group": resource.gvk.group, "version": resource.gvk.version, "resource": resource.plural}


def _user(attributes: Attributes) -> dict[str, Any]:
    user = attributes.call.user
    known: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    known["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {key: value for key, value in known.items() if value}


def _options(attributes: Attributes) -> dict[str, Any] | None:
    call, operation = attributes.call, attributes.operation
    if operation is Verb.CONNECT:
        return None
    options: dict[str, Any] = {"apiVersion": "meta.k8s.io/v1", "kind": OPTIONS[operation]}
    if call.dry_run:
        options["dryRun"] = ["All"]
    given: dict[str, Any] = {}
    match call.options:
        case WriteOptions() as write if operation is not Verb.DELETE:
            given = {"fieldManager": write.field_manager or None, "fieldValidation": write.field_validation}
        case DeleteOptions() as delete:
            held = {"uid": delete.preconditions.uid, "resourceVersion": delete.preconditions.resource_version}
            given = {"gracePeriodSeconds": delete.grace_seconds, "propagationPolicy": delete.propagation}
            given["preconditions"] = {name: value for name, value in held.items() if value} or None
    return options | {name: value for name, value in given.items() if value is not None}
