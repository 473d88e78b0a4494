"""What strangers' bytes reach: one function a decoder, which may refuse its input in the decoder's own way only.

Any other exception is a finding, as is a run that takes long. Each target begins with bytes and knows no state, so
that `python -m tests.fuzz` (atheris, guided by coverage) and the smoke test (hypothesis) share them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import msgspec
from yarl import URL

from master.apiserver import bodies, options, paths
from master.apiserver.negotiation import PROTOBUF, YAML, parse_accept
from master.apiserver.protobuf.layout import MAGIC
from master.apiserver.spdy.connection import Connection
from master.apiserver.spdy.failure import SpdyError
from master.apiserver.streams.channels import V4, V4_BASE64, content_of
from master.registry.bodies import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, patched
from master.registry.cel import mutation
from master.registry.cel.admission import Vocabulary
from master.registry.cel.failures import CompileError, EvaluationError
from master.registry.listing import Token
from timonel.api import codec, cron, jsonpath, managed_fields, parse, selectors, time
from timonel.api.errors import StatusError, Unexplained
from timonel.api.jsonpath import JsonPathError
from timonel.api.quantity import Quantity
from timonel.api.types import apps_v1, core_v1
from timonel.cli.gotemplate import Template, TemplateError

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}
KINDS = (core_v1.Pod, core_v1.ConfigMap, core_v1.Service, apps_v1.Deployment)
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default", "labels": {"a": "b", "c/d": "e"}, "finalizers": ["x/y"]},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {"name": "a", "image": "i:1", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                    {"name": "b", "image": "i:2", "env": [{"name": "X", "value": "1"}], "args": ["p", "q"]},
                ],
                "tolerations": [{"key": "k", "operator": "Exists"}],
            },
        },
    },
}


class ServerFault(Exception):
    """A client's input was answered as a fault of the server's."""


def target(*refusals: type[Exception]) -> Callable[[Target], Target]:
    """Adds a function to `TARGETS`, under its name; `refusals` are how it may refuse."""

    def add(function: Target) -> Target:
        def run(data: bytes) -> None:
            try:
                function(data)
            except StatusError as error:
                if error.code >= 500 and not isinstance(error, Unexplained):
                    raise ServerFault(str(error)) from error
            except refusals:
                pass

        TARGETS[function.__name__] = run
        return function

    return add


def split(data: bytes) -> tuple[int, bytes]:
    """The first byte, which chooses, and the rest."""
    return (data[0], data[1:]) if data else (0, b"")


def text_of(data: bytes) -> str:
    """Text as it comes out of a query string: what is no UTF-8 is replaced."""
    return data.decode(errors="replace")


@target()
def json(data: bytes) -> None:
    """An object's JSON, as leniently and as strictly as there is."""
    choice, rest = split(data)
    kind = KINDS[choice % len(KINDS)]
    with suppress(StatusError):
        codec.encode(codec.decode(kind, rest))
    obj, _ = codec.decode_strictly(kind, rest)
    again = codec.encode(obj)
    assert codec.encode(codec.decode(kind, again)) == again, "a second round trip changes the object"


@target()
def yaml(data: bytes) -> None:
    """A YAML body, and a manifest of several documents."""
    with suppress(StatusError):
        bodies.to_json(data, YAML)
    for document in parse.parse_yaml_all(data):
        codec.encode(document)


@target()
def protobuf(data: bytes) -> None:
    """A protobuf body, in its envelope or as the content of one."""
    choice, rest = split(data)
    if choice % 2:
        codec.decode(KINDS[0], bodies.to_json(MAGIC + rest, PROTOBUF)[0])
        return
    kind = KINDS[choice // 2 % len(KINDS)]
    api_version = kind.gvk.api_version.encode()
    name = kind.gvk.kind.encode()
    type_meta = _field(1, api_version) + _field(2, name)
    raw, _ = bodies.to_json(MAGIC + _field(1, type_meta) + _field(2, rest), PROTOBUF)
    codec.decode(kind, raw)


def _field(number: int, content: bytes) -> bytes:
    size, low = [], len(content)
    while low > 0x7F:
        size.append(low & 0x7F | 0x80)
        low >>= 7
    return bytes((number << 3 | 2, *size, low)) + content


@target()
def patch(data: bytes) -> None:
    """A JSON, merge or strategic merge patch of a Deployment, and what it makes of it."""
    choice, rest = split(data)
    kinds = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
    document = patched(DEPLOYMENT, kinds[choice % len(kinds)], rest, apps_v1.Deployment)
    codec.convert_strictly(apps_v1.Deployment, document)


@target()
def apply(data: bytes) -> None:
    """Two server-side applies of the same manifest by different managers, after one of something else."""
    document = codec.decode_yaml(data)
    codec.convert_strictly(apps_v1.Deployment, document)
    if not isinstance(document.get("metadata"), dict):
        return  # refused before, as an object without a name
    live: dict[str, Any] | None = DEPLOYMENT
    for manager in ("one", "two", "one"):
        live = managed_fields.apply(
            apps_v1.Deployment,
            live,
            document,
            manager=manager,
            force=manager == "two",
            now="2026-01-01T00:00:00Z",
            api_version="apps/v1",
        )


@target()
def fields_v1(data: bytes) -> None:
    """Forged metadata.managedFields: an update that carries them, then an apply that meets them."""
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    entry = {
        "manager": "m",
        "operation": "Apply",
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    forged = {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "managedFields": [entry]}}
    document = codec.to_dict(codec.convert_strictly(apps_v1.Deployment, forged)[0])
    asked = {"manager": "other", "now": "2026-01-01T00:00:00Z", "api_version": "apps/v1"}
    live = managed_fields.update(apps_v1.Deployment, DEPLOYMENT, document, **asked)
    for image, force in (("new", False), ("newer", True)):
        applied = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 3,
                "template": {"spec": {"containers": [{"name": "a", "image": image}]}},
            },
        }
        with suppress(StatusError):
            live = managed_fields.apply(apps_v1.Deployment, live, applied, force=force, **asked)
    managed_fields.apply(apps_v1.Deployment, live, applied, force=True, **(asked | {"manager": "m"}))


@target()
def selector(data: bytes) -> None:
    """Label and field selectors, and that what they print means the same."""
    text = text_of(data)
    with suppress(StatusError):
        selectors.parse_fields(text).matches({"metadata.name": "web"})
    found = selectors.parse_labels(text)
    found.matches({"app": "web", "n": "5"})
    assert selectors.parse_labels(str(found)) == found, "printing and parsing changes the selector"


@target(ValueError)
def quantity(data: bytes) -> None:
    """A quantity, whose canonical form must stay as it is."""
    found = Quantity(text_of(data))
    assert Quantity(str(found)) == found, "the canonical form is not canonical"
    found.plus(found).minus(found).to_milli()


@target(ValueError)
def moment(data: bytes) -> None:
    """A timestamp, printed again."""
    found = time.parse(text_of(data))
    with suppress(OverflowError):  # the first and the last day of all, in another zone
        time.micro_text(found)


@target(ValueError)
def schedule(data: bytes) -> None:
    """A CronJob's schedule."""
    cron.parse(text_of(data))


@target(JsonPathError)
def json_path(data: bytes) -> None:
    """A JSONPath template over a Deployment; and as a printer column or custom column writes it."""
    text = text_of(data)
    with suppress(JsonPathError):
        jsonpath.find(jsonpath.relaxed(text), DEPLOYMENT)
    jsonpath.render(jsonpath.parse(text), DEPLOYMENT)


@target(TemplateError)
def go_template(data: bytes) -> None:
    """A Go template over a Deployment."""
    Template(text_of(data)).render(DEPLOYMENT)


@cache
def _vocabulary() -> Vocabulary:
    return Vocabulary(params=True)


@target(CompileError, EvaluationError)
def cel(data: bytes) -> None:
    """An expression of an admission policy, compiled, counted and run."""
    program = _vocabulary().compile(text_of(data))
    program.cost({})
    program.run({"object": DEPLOYMENT, "oldObject": None, "params": {}, "request": {}, "namespaceObject": None})


@target(CompileError)
def cel_mutation(data: bytes) -> None:
    """An expression of a mutating admission policy."""
    mutation.compiled(_vocabulary().environment(), text_of(data))


@target()
def continue_token(data: bytes) -> None:
    """A continue token."""
    Token.parse(text_of(data))


@target()
def channel_message(data: bytes) -> None:
    """A WebSocket message of exec, text or binary, in either form."""
    choice, rest = split(data)
    protocol = (V4, V4_BASE64)[choice % 2]
    content: bytes | str = text_of(rest) if choice & 2 else rest
    content_of(protocol, content)


@target(SpdyError)
def spdy(data: bytes) -> None:
    """The frames of a SPDY connection, in two pieces, answered."""
    choice, rest = split(data)
    connection = Connection()
    for part in (rest[:choice], rest[choice:]):
        for event in connection.receive(part):
            stream = getattr(event, "stream_id", None)
            if stream in connection.streams:
                connection.room(stream)
    connection.take()


@target()
def path(data: bytes) -> None:
    """A request's path."""
    paths.parse("/apis/" + data.decode("latin-1"))


@target()
def query(data: bytes) -> None:
    """A request's query, as the options of every verb."""
    asked = URL("/?" + text_of(data), encoded=True).query
    for read in (
        options.list_options,
        lambda query: options.write_options(query, "PatchOptions"),
        lambda query: options.delete_options(query, None),
    ):
        with suppress(StatusError):
            read(asked)


@target()
def accept(data: bytes) -> None:
    """An Accept header."""
    parse_accept(data.decode("latin-1"))
