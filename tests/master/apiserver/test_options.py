"""Options of verbs, read strictly."""

import pytest
from multidict import MultiDict

from master.apiserver import options
from master.registry.base import DeleteOptions, Preconditions
from timonel.api.errors import BadRequest, Invalid
from timonel.api.types import meta_v1


def query(*pairs: tuple[str, str]) -> MultiDict[str]:
    return MultiDict(pairs)


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("1", True), ("", True), ("0", False), ("false", False)]
)
def test_booleans(text: str, expected: bool) -> None:
    assert options.boolean(query(("watch", text)), "watch") is expected


@pytest.mark.parametrize("text", ["x", "1.5", "1_000", " 1", "99999999999999999999"])
def test_bad_integers(text: str) -> None:
    with pytest.raises(BadRequest, match=r"strconv\.ParseInt"):
        options.integer(query(("limit", text)), "limit")


def test_list_options_distinguish_absent_from_empty() -> None:
    assert options.list_options(query()).resource_version is None
    assert options.list_options(query(("resourceVersion", ""))).resource_version == ""
    assert options.list_options(query(("timeoutSeconds", "7"))).timeout_seconds == 7.0
    assert options.list_options(query(("limit", "-1"))).limit == 0


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("dryRun", "Some")], 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ([("fieldValidation", "Loose")], 'supported values: "", "Ignore", "Strict", "Warn"'),
        ([("fieldManager", "x" * 129)], "fieldManager: Too long: may not be more than 128 bytes"),
        ([("fieldManager", "a\nb")], "should only contain printable characters"),
        ([("force", "true")], "force: Forbidden: may not be specified for non-apply patch"),
    ],
)
def test_bad_write_options(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        options.write_options(query(*pairs), "PatchOptions")
    assert message in caught.value.message
    assert caught.value.message.startswith('PatchOptions.meta.k8s.io "" is invalid: ')


def test_apply_needs_a_manager() -> None:
    with pytest.raises(Invalid, match="fieldManager: Required value: is required for apply patch"):
        options.write_options(query(), "PatchOptions", apply=True)


def test_field_validation_warns_by_default() -> None:
    assert options.write_options(query(), "CreateOptions").field_validation == "Warn"


def test_delete_options_come_from_the_body_or_else_the_query() -> None:
    body = meta_v1.DeleteOptions(
        gracePeriodSeconds=3, propagationPolicy="Orphan", preconditions=meta_v1.Preconditions(uid="u")
    )
    assert options.delete_options(query(("gracePeriodSeconds", "9")), body) == DeleteOptions(
        False, 3, "Orphan", Preconditions("u", "")
    )
    assert options.delete_options(query(("gracePeriodSeconds", "9")), None).grace_seconds == 9


@pytest.mark.parametrize(("orphan", "expected"), [(True, "Orphan"), (False, "Background")])
def test_orphan_dependents(orphan: bool, expected: str) -> None:
    assert options.delete_options(query(), meta_v1.DeleteOptions(orphanDependents=orphan)).propagation == expected


@pytest.mark.parametrize(
    "body",
    [
        meta_v1.DeleteOptions(propagationPolicy="Sideways"),
        meta_v1.DeleteOptions(propagationPolicy="Orphan", orphanDependents=True),
        meta_v1.DeleteOptions(gracePeriodSeconds=-1),
        meta_v1.DeleteOptions(dryRun=["None"]),
    ],
)
def test_bad_delete_options(body: meta_v1.DeleteOptions) -> None:
    with pytest.raises(Invalid, match=r'DeleteOptions\.meta\.k8s\.io "" is invalid'):
        options.delete_options(query(), body)


def test_the_manager_of_a_client_that_names_none() -> None:
    assert options.default_field_manager("kubectl/v1.32 (linux)") == "kubectl"
    assert options.default_field_manager("") == "unknown"
