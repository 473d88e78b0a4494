"""Kubernetes' protobuf bodies. Typed kubectl commands in test_kubectl.py send real ones."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.apiserver.openapi import gnostic
from master.apiserver.protobuf import decode, wire
from master.apiserver.protobuf.layout import MAGIC
from master.apiserver.protobuf.wire import string, submessage
from timonel.api.errors import BadRequest


def envelope(api_version: str, kind: str, content: bytes) -> bytes:
    return MAGIC + submessage(1, string(1, api_version) + string(2, kind)) + submessage(2, content)


def decoded(api_version: str, kind: str, content: bytes) -> Any:
    return json.loads(decode.to_json(envelope(api_version, kind, content)))


def number(field: int, value: int) -> bytes:
    """A varint field; negative numbers take ten bytes."""
    return wire.varint_bytes(field << 3) + wire.varint_bytes(value & 0xFFFF_FFFF_FFFF_FFFF)


def nested(field: int, times: int) -> bytes:
    content = b""
    for _ in range(times):
        content = submessage(field, content)
    return content


META = submessage(1, string(1, "n"))
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def test_strings_maps_and_bytes() -> None:
    entry = string(1, "k") + string(2, "v")
    assert decoded("v1", "ConfigMap", META + submessage(2, entry) + submessage(3, string(1, "b") + string(2, "x"))) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "n"},
        "data": {"k": "v"},
        "binaryData": {"b": "eA=="},
    }


def test_times_quantities_and_ports() -> None:
    created = submessage(8, number(1, 1_767_323_045) + number(2, 0))
    port = string(1, "web") + number(3, 80) + submessage(4, number(1, 1) + string(3, "http"))
    spec = submessage(
        2, submessage(1, port) + submessage(1, number(3, 81) + submessage(4, number(1, 0) + number(2, 8081)))
    )
    service = decoded("v1", "Service", submessage(1, string(1, "s") + created) + spec)
    assert service["metadata"] == {"name": "s", "creationTimestamp": "2026-01-02T03:04:05Z"}
    assert service["spec"]["ports"] == [
        {"name": "web", "port": 80, "targetPort": "http"},
        {"port": 81, "targetPort": 8081},
    ]
    limits = submessage(1, string(1, "cpu") + submessage(2, string(1, "500m")))
    pod = decoded("v1", "Pod", submessage(2, submessage(2, string(1, "c") + submessage(8, limits))))
    assert pod["spec"]["containers"] == [{"name": "c", "resources": {"limits": {"cpu": "500m"}}}]


def test_embedded_types_are_flat_in_json() -> None:
    volume = string(1, "v") + submessage(2, submessage(2, string(1, "Memory")))
    pod = decoded("v1", "Pod", submessage(2, submessage(1, volume)))
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {"medium": "Memory"}}]


def test_zero_means_absence_only_where_json_leaves_it_out() -> None:
    assert decoded("apps/v1", "Deployment", submessage(2, number(1, 0) + number(5, 0)))["spec"] == {"replicas": 0}
    assert decoded("v1", "Pod", submessage(2, number(11, 0) + number(4, 0)))["spec"] == {
        "terminationGracePeriodSeconds": 0
    }


def test_negative_numbers() -> None:
    assert decoded("scheduling.k8s.io/v1", "PriorityClass", number(2, -5))["value"] == -5


def test_delete_options_are_of_every_group() -> None:
    assert decoded("apps/v1", "DeleteOptions", number(1, 7) + string(4, "Orphan")) == {
        "apiVersion": "apps/v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 7,
        "propagationPolicy": "Orphan",
    }


def test_unknown_fields_are_skipped() -> None:
    assert decoded("v1", "ConfigMap", META + string(4000, "x") + number(4001, 1))["metadata"] == {"name": "n"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "expected prefix"),
        (envelope("v1", "Teapot", b""), 'no kind "Teapot" is registered for version "v1"'),
        (envelope("a/b/c", "Pod", b""), "unexpected GroupVersion"),
        (envelope("v1", "Pod", b"\x0a\x05ab"), "ends within a field"),
        (envelope("v1", "Pod", b"\x0b"), "wire type 3"),
        (envelope("v1", "ConfigMap", number(1, 3)), "a string or message is expected"),
        (envelope("v1", "ConfigMap", submessage(1, submessage(1, b"\xff"))), "utf-8"),
        (envelope("v1", "Pod", submessage(2, submessage(4, b"x"))), "a number is expected"),
        (envelope("apps/v1", "ControllerRevision", submessage(2, submessage(1, b"[" * 100_000))), "depth"),
        (envelope("apps/v1", "ControllerRevision", submessage(2, submessage(1, b"nul"))), "embedded JSON"),
        (envelope(*CRD, submessage(2, submessage(7, submessage(4, submessage(1, nested(28, 3000)))))), "nests deeper"),
    ],
)
def test_malformed_bodies(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        decode.to_json(body)


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_read_but_never_a_crash(garbage: bytes) -> None:
    for body in (MAGIC + garbage, envelope("v1", "Pod", garbage)):
        try:
            json.loads(decode.to_json(body))
        except BadRequest:
            continue


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_numbers_go_to_and_fro(value: int) -> None:
    ((field, raw),) = wire.values(number(9, value))
    assert (field, wire.signed(raw)) == (9, value)  # type: ignore[arg-type]


def test_gnostic_documents_hold_their_definitions() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/definitions/B"}},
        "required": ["a"],
        "x-kubernetes-y": [1],
    }
    document = {
        "swagger": "2.0",
        "info": {"title": "t", "version": "v"},
        "paths": {},
        "definitions": {"A": schema, "B": {"type": "string", "description": "b"}},
    }
    message = dict(wire.values(gnostic.encode(document)))
    assert message[1] == b"2.0"
    definitions = [dict(wire.values(value)) for _, value in wire.values(message[9])]  # type: ignore[arg-type]
    assert [definition[1] for definition in definitions] == [b"A", b"B"]
    first = dict(wire.values(definitions[0][2]))  # type: ignore[arg-type]
    assert first[19] == b"a"
    assert dict(wire.values(first[31]))[1] == b"x-kubernetes-y"  # type: ignore[arg-type]
