"""Errors say what Kubernetes says, and survive the way to a client."""

import pytest

from timonel.api import codec, errors, fields
from timonel.api.fields import Path
from timonel.api.types.meta_v1 import Status, StatusCause, StatusDetails

NAME = Path("spec").child("containers").index(0).child("name")

CASES: list[tuple[errors.StatusError, int, str, str]] = [
    (errors.NotFound("pods", "x"), 404, "NotFound", 'pods "x" not found'),
    (errors.NotFound("deployments.apps", "x"), 404, "NotFound", 'deployments.apps "x" not found'),
    (errors.NoSuchPath(), 404, "NotFound", "the server could not find the requested resource"),
    (errors.AlreadyExists("pods", "x"), 409, "AlreadyExists", 'pods "x" already exists'),
    (
        errors.Conflict("pods", "x"),
        409,
        "Conflict",
        'Operation cannot be fulfilled on pods "x": the object has been modified; '
        "please apply your changes to the latest version and try again",
    ),
    (errors.BadRequest("no"), 400, "BadRequest", "no"),
    (errors.Unauthorized(), 401, "Unauthorized", "Unauthorized"),
    (
        errors.Forbidden("pods", "", 'User "u" cannot list resource "pods" in API group "" in the namespace "ns"'),
        403,
        "Forbidden",
        'pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "ns"',
    ),
    (errors.Forbidden("pods", "x", "no"), 403, "Forbidden", 'pods "x" is forbidden: no'),
    (errors.Forbidden("", "", "no"), 403, "Forbidden", "forbidden: no"),
    (
        errors.MethodNotAllowed("pods", "patch"),
        405,
        "MethodNotAllowed",
        'patch is not supported on resources of kind "pods"',
    ),
    (
        errors.NotAcceptable(["application/json"]),
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json",
    ),
    (errors.Gone("gone"), 410, "Gone", "gone"),
    (errors.Expired("too old"), 410, "Expired", "too old"),
    (
        errors.RequestEntityTooLarge("limit is 3145728"),
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
    ),
    (
        errors.UnsupportedMediaType(["application/json", "application/yaml"]),
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - "
        "accepted media types include: application/json, application/yaml",
    ),
    (
        errors.Invalid("Pod", "x", [fields.required(NAME)]),
        422,
        "Invalid",
        'Pod "x" is invalid: spec.containers[0].name: Required value',
    ),
    (errors.TooManyRequests("slow down", 5), 429, "TooManyRequests", "slow down"),
    (errors.InternalError("boom"), 500, "InternalError", "Internal error occurred: boom"),
    (
        errors.ServerTimeout("pods", "create", 2),
        500,
        "ServerTimeout",
        "The create operation against pods could not be completed at this time, please try again.",
    ),
    (errors.ServiceUnavailable("no leader"), 503, "ServiceUnavailable", "no leader"),
    (errors.Timeout("store"), 504, "Timeout", "Timeout: store"),
]


@pytest.mark.parametrize(("error", "code", "reason", "message"), CASES, ids=lambda value: str(value)[:30])
def test_errors_become_kubernetes_statuses_and_come_back(
    error: errors.StatusError, code: int, reason: str, message: str
) -> None:
    status = error.status()
    assert (status.status, status.code, status.reason, status.message) == ("Failure", code, reason, message)
    assert str(error) == message
    returned = errors.from_status(codec.decode(Status, codec.encode(status)))
    assert isinstance(error, type(returned))
    assert returned.status() == status
    assert returned.retry == type(returned).retry


def test_details_name_group_and_kind() -> None:
    details = errors.NotFound("deployments.apps", "x").status().details
    assert details == StatusDetails(group="apps", kind="deployments", name="x")


def test_invalid_lists_each_fault_once_and_gives_a_cause_for_each() -> None:
    faults = [fields.required(NAME), fields.invalid("spec.x", "é", "bad"), fields.required(NAME)]
    error = errors.Invalid("Deployment.apps", "web", faults)
    assert str(error) == (
        'Deployment.apps "web" is invalid: [spec.containers[0].name: Required value, spec.x: Invalid value: "é": bad]'
    )
    assert error.causes[0] == StatusCause(
        reason="FieldValueRequired", message="Required value", field="spec.containers[0].name"
    )
    assert len(error.causes) == 3
    assert error.errors == faults


def test_what_may_be_tried_again() -> None:
    assert errors.Conflict("pods", "x").retry
    assert errors.TooManyRequests("x").status().details == StatusDetails(retryAfterSeconds=1)
    assert not errors.NotFound("pods", "x").retry
    assert not errors.ApplyConflict("conflict", []).retry


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (404, errors.NotFound),
        (409, errors.Conflict),
        (410, errors.Gone),
        (422, errors.Invalid),
        (418, errors.StatusError),
    ],
)
def test_unknown_reasons_are_judged_by_code(code: int, cls: type[errors.StatusError]) -> None:
    error = errors.from_status(Status(code=code, reason="Odd", message="m"))
    assert type(error) is cls
    assert (error.code, error.reason, str(error)) == (code, "Odd", "m")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (fields.required("a"), "a: Required value"),
        (fields.required("a", "must be given"), "a: Required value: must be given"),
        (fields.invalid("a", 5, "must be even"), "a: Invalid value: 5: must be even"),
        (fields.invalid("a", None, "x"), "a: Invalid value: null: x"),
        (fields.invalid("a", ["b", 1], "x"), 'a: Invalid value: ["b",1]: x'),
        (fields.type_invalid("a", "x", "must be integer"), 'a: Invalid value: "x": must be integer'),
        (fields.duplicate("a", "b"), 'a: Duplicate value: "b"'),
        (fields.not_found("a", "b"), 'a: Not found: "b"'),
        (fields.not_supported("a", "b", ["c", "d"]), 'a: Unsupported value: "b": supported values: "c", "d"'),
        (fields.forbidden("a", "may not change"), "a: Forbidden: may not change"),
        (fields.too_long("a", 63), "a: Too long: may not be more than 63 bytes"),
        (fields.too_many("a", 3, 1), "a: Too many: 3: must have at most 1 item"),
    ],
    ids=str,
)
def test_field_errors_are_worded_as_kubernetes(error: fields.FieldError, text: str) -> None:
    assert str(error) == text


def test_paths() -> None:
    assert NAME == "spec.containers[0].name"
    assert Path("metadata").child("labels").key("app") == "metadata.labels[app]"
    assert Path("").child("a", "b") == "a.b"


def test_what_is_at_no_path_has_empty_details() -> None:
    for error in (errors.NoSuchPath(), errors.NoSuchMethod()):
        assert codec.to_dict(error.status())["details"] == {}
