"""Reading what webhooks answer."""

import base64
import json
import re
from typing import Any

import pytest

from master.registry.admission.webhooks.review import BadAnswer, denial, read
from timonel.api.types.meta_v1 import Status

PATCH = base64.b64encode(b"[]").decode()


def raw(response: Any, **head: str) -> bytes:
    head = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", **head}
    return json.dumps({**head, "response": response}).encode()


def test_an_answer() -> None:
    warnings = ["two\nlines", "x" * 1000]
    response = {"uid": "1", "allowed": True, "patch": PATCH, "patchType": "JSONPatch", "warnings": warnings, "more": 1}
    answer = read(raw(response), "1", "v1", may_patch=True)
    assert (answer.allowed, answer.patch) == (True, b"[]")
    assert answer.warnings == ("two lines", "x" * 256)


@pytest.mark.parametrize(
    ("answer", "may_patch", "why"),
    [
        (b"", True, "json parse error"),
        (b"\xff\xfe", True, "json parse error"),
        (b"[" * 100_000, True, "json parse error"),
        (b"[1]", True, "json parse error"),
        (raw(None), True, "response was absent"),
        (b"{}", True, "response was absent"),
        (raw({"uid": "1", "allowed": "yes"}), True, "json parse error"),
        (raw({"uid": "2", "allowed": True}), True, 'expected response.uid="1", got "2"'),
        (raw({"allowed": True}), True, 'expected response.uid="1", got ""'),
        (raw({"uid": "1"}, kind="Pod"), True, "got admission.k8s.io/v1, Kind=Pod"),
        (raw({"uid": "1"}, apiVersion="admission.k8s.io/v1beta1"), True, "expected webhook response of"),
        (raw({"uid": "1", "patch": PATCH}), True, "response.patch but not response.patchType"),
        (raw({"uid": "1", "patchType": "JSONPatch"}), True, "response.patchType but not response.patch"),
        (raw({"uid": "1", "patch": PATCH, "patchType": "Merge"}), True, 'invalid response.patchType of "Merge"'),
        (raw({"uid": "1", "patch": "%", "patchType": "JSONPatch"}), True, "no base64"),
        (raw({"uid": "1", "patch": PATCH, "patchType": "JSONPatch"}), False, "may not return response.patch"),
    ],
)
def test_what_is_no_answer(answer: bytes, may_patch: bool, why: str) -> None:
    with pytest.raises(BadAnswer, match=re.escape(why)):
        read(answer, "1", "v1", may_patch=may_patch)


def test_v1beta1_needs_neither_uid_nor_patch_type() -> None:
    assert read(raw({"allowed": True, "patch": PATCH}, kind=""), "1", "v1beta1", may_patch=True).patch == b"[]"


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (None, 'admission webhook "w" denied the request without explanation', 400),
        (Status(message="no"), 'admission webhook "w" denied the request: no', 400),
        (Status(reason="Tuesday"), 'admission webhook "w" denied the request: Tuesday', 400),
        (Status(message="no", code=403, reason="Forbidden"), 'admission webhook "w" denied the request: no', 403),
        (Status(status="Success", code=200), 'admission webhook "w" denied the request without explanation', 400),
        (Status(code=9999), 'admission webhook "w" denied the request without explanation', 400),
    ],
)
def test_denials_say_what_the_webhook_said(status: Status | None, message: str, code: int) -> None:
    error = denial("w", status)
    assert (error.message, error.code, error.status().status) == (message, code, "Failure")
