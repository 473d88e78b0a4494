"""What the audit log says of one request, at each of its stages."""

import uuid
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from master.apiserver.audit.log import AuditFile, AuditSettings
from master.apiserver.audit.policy import API_VERSION, NOT_AT_ALL, Judgement, Level, Policy, Stage, Subject, load
from master.apiserver.audit.webhook import AuditWebhook
from master.apiserver.paths import Target
from master.apiserver.pieces import PiecesPayload
from master.configuration import ConfigurationError
from master.metrics import Counter
from master.registry import remarks
from master.registry.base import User
from timonel import kubeconfig
from timonel.api import time

AUDIT_ID = "Audit-ID"
_NAMES = {Level.METADATA: "Metadata", Level.REQUEST: "Request", Level.REQUEST_RESPONSE: "RequestResponse"}
_GZIP = 16 + zlib.MAX_WBITS
_written = Counter("apiserver_audit_event_total", "Lines of the audit log.").cell()

Document = dict[str, Any]


class Sink(Protocol):
    """Where events go."""

    async def start(self) -> None:
        """Get ready."""

    def write(self, line: bytes) -> None:
        """Take an event, JSON on one line. Never fails, never waits."""

    async def close(self) -> None:
        """Finish. Idempotent."""


class Record:
    """One request that is written down."""

    def __init__(self, sinks: Sequence[Sink], judgement: Judgement, event: Document) -> None:
        self._sinks = sinks
        self._judgement = judgement
        self._event = event
        self._remarks = remarks.collect()

    @property
    def id(self) -> str:
        """By which the request's lines are found."""
        return str(self._event["auditID"])

    def impersonates(self, user: User) -> None:
        """The sender acts as somebody else from here on."""
        self._event["impersonatedUser"] = _user(user)

    def body(self, body: bytes) -> None:
        """Remember the request's object, and its name where the path says none."""
        if "objectRef" in self._event:
            self._event["objectRef"] = {**_named(body), **self._event["objectRef"]}
        if self._judgement.level >= Level.REQUEST:
            self._keep("requestObject", body)

    def received(self) -> None:
        """The request is there, with its sender known."""
        self._write(Stage.REQUEST_RECEIVED)

    def started(self, code: int) -> None:
        """A long answer begins."""
        self._event["responseStatus"] = {"metadata": {}, "code": code}
        self._write(Stage.RESPONSE_STARTED)

    def complete(self, response: web.StreamResponse) -> None:
        """The answer has been made, or a long one has ended."""
        body = _content(response)
        self._event["responseStatus"] = _status(response.status, body)
        if body and self._judgement.level >= Level.REQUEST_RESPONSE:
            self._keep("responseObject", body)
        self._write(Stage.RESPONSE_COMPLETE)

    def panicked(self, why: str) -> None:
        """The server has failed over the request: nothing else is written of its end."""
        status = {"metadata": {}, "status": "Failure", "message": why, "reason": "InternalError", "code": 500}
        self._event["responseStatus"] = status
        self._write(Stage.PANIC)
        self._judgement = NOT_AT_ALL

    def abandoned(self) -> None:
        """The client has left."""
        self._write(Stage.RESPONSE_COMPLETE)

    def _keep(self, field: str, body: bytes) -> None:
        """Add an object; what is no JSON, a patch in YAML for instance, is kept as text."""
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = body.decode(errors="replace")
        if self._judgement.omit_managed_fields:
            _drop_managed_fields(value)
        self._event[field] = value

    def _write(self, stage: Stage) -> None:
        if self._judgement.level is Level.NONE or stage in self._judgement.omitted:
            return
        self._event["stage"] = stage.value
        if self._remarks:
            self._event["annotations"] = self._remarks
        self._event["stageTimestamp"] = time.now_micro()
        _written.value += 1
        line = msgspec.json.encode(self._event)
        for sink in self._sinks:
            sink.write(line)


_KEY = web.RequestKey("audit", Record)


class Auditor:
    """Begins the records of the requests that the policy chooses."""

    def __init__(self, policy: Policy, sinks: Sequence[Sink]) -> None:
        self._policy = policy
        self._sinks = sinks

    @classmethod
    def open(cls, settings: AuditSettings) -> "Auditor":
        """The auditor of a policy file, and of a log file or a webhook or both.

        Raises:
            ConfigurationError: the policy or the webhook's kubeconfig cannot be used.
            OSError: a file cannot be opened.
        """
        policy, sinks = load(settings.policy), list[Sink]()
        if settings.path:
            sinks.append(AuditFile(settings.path, settings.megabytes << 20, settings.backups))
        if settings.webhook:
            try:
                sinks.append(AuditWebhook(kubeconfig.load(settings.webhook)))
            except kubeconfig.KubeconfigError as error:
                raise ConfigurationError(f"audit webhook: {error}") from error
        return cls(policy, sinks)

    async def start(self) -> None:
        """Get ready."""
        for sink in self._sinks:
            await sink.start()

    def begin(self, http: web.BaseRequest, who: User, verb: str, target: Target | None) -> Record | None:
        """The record of a request that has just come; None when the policy passes it over."""
        judgement = self._policy.judge(_subject(http, who, verb, target))
        if judgement.level is Level.NONE:
            return None
        record = Record(self._sinks, judgement, _event(http, judgement.level, who, verb, target))
        http[_KEY] = record
        record.received()
        return record

    async def close(self) -> None:
        """Write what waits, and close."""
        for sink in self._sinks:
            await sink.close()


def record_of(http: web.BaseRequest) -> Record | None:
    """The record of a request that is being served."""
    return http.get(_KEY)


def began(http: web.BaseRequest, response: web.StreamResponse) -> None:
    """Write down, where that is asked for, that a long answer has begun."""
    record = record_of(http)
    if record is not None:
        record.started(response.status)


def has_body(http: web.BaseRequest, body: bytes) -> None:
    """Write down, where that is asked for, what a request's body is."""
    record = record_of(http)
    if record is not None:
        record.body(body)


def _subject(http: web.BaseRequest, who: User, verb: str, target: Target | None) -> Subject:
    if target is None:
        return Subject(who, verb, http.path)
    return Subject(
        who,
        verb,
        http.path,
        is_resource=True,
        group=target.group,
        resource=target.resource,
        subresource=target.subresource,
        namespace=target.namespace,
        name=target.name,
    )


def _event(
    http: web.BaseRequest,
    level: Level,
    who: User,
    verb: str,
    target: Target | None,
) -> Document:
    event: Document = {
        "kind": "Event",
        "apiVersion": API_VERSION,
        "level": _NAMES[level],
        "auditID": str(uuid.uuid4()),
        "stage": "",
        "requestURI": http.path_qs,
        "verb": verb,
        "user": _user(who),
        "sourceIPs": [http.remote] if http.remote else [],
        "userAgent": http.headers.get("User-Agent", ""),
        "requestReceivedTimestamp": time.now_micro(),
    }
    if target is not None:
        parts = {
            "resource": target.resource,
            "namespace": target.namespace,
            "name": target.name,
            "apiGroup": target.group,
            "apiVersion": target.version,
            "subresource": target.subresource,
        }
        event["objectRef"] = {key: value for key, value in parts.items() if value}
    return event


def _user(user: User) -> Document:
    shown: Document = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        shown["uid"] = user.uid
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return shown


def _content(response: web.StreamResponse) -> bytes:
    """The JSON of a whole answer; nothing for streams and other media types."""
    if not isinstance(response, web.Response) or response.content_type != "application/json":
        return b""
    body = bytes(response.body) if isinstance(response.body, bytes | PiecesPayload) else b""
    return zlib.decompress(body, _GZIP) if response.headers.get("Content-Encoding") == "gzip" else body


class _Metadata(msgspec.Struct, omit_defaults=True):
    name: str = ""
    uid: str = ""
    resourceVersion: str = ""


class _Object(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def _named(body: bytes) -> Document:
    """What a request's object says of which one it is; nothing of one that is no JSON object."""
    try:
        return dict(msgspec.to_builtins(msgspec.json.decode(body, type=_Object).metadata))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


class _AnyAnswer(msgspec.Struct):
    kind: str = ""


class _Status(msgspec.Struct):
    status: str = ""
    message: str = ""
    reason: str = ""
    details: Document | None = None


def _status(code: int, body: bytes) -> Mapping[str, Any]:
    status: Document = {"metadata": {}, "code": code}
    if body and msgspec.json.decode(body, type=_AnyAnswer).kind == "Status":
        told = msgspec.json.decode(body, type=_Status)
        status |= {key: value for key, value in msgspec.structs.asdict(told).items() if value}
    return status


def _drop_managed_fields(value: Any) -> None:
    for obj in (value, *value.get("items", ())) if isinstance(value, dict) else ():
        if isinstance(obj, dict) and isinstance(obj.get("metadata"), dict):
            obj["metadata"].pop("managedFields", None)
