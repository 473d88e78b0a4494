"""Names, times, metadata and IntOrString."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api import intstr, meta, names, time
from timonel.api.gvk import GVK
from timonel.api.types import apps_v1, core_v1, meta_v1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (11000, "3h3m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (5 * 86400 + 3 * 3600, "5d3h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (740 * 86400, "2y10d"),
        (3000 * 86400, "8y"),
    ],
)
def test_durations_are_as_kubectl_prints_them(seconds: float, text: str) -> None:
    assert time.human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [("1h30m", 5400.0), ("1.5s", 1.5), (".5h", 1800.0), ("-2ms", -0.002), ("+3µs", 3e-6), ("0", 0.0)],
)
def test_durations_are_read_as_go_writes_them(text: str, found: float) -> None:
    assert time.seconds(text) == pytest.approx(found)


@pytest.mark.parametrize("text", ["", "1", "1d", "h", "1h 2m", "1h!", "2562048h"])
def test_what_go_takes_for_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f'^time: invalid duration "{text}"$'):
        time.seconds(text)


def test_timestamps() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    assert time.text(moment) == "2026-01-02T03:04:05Z"
    assert time.micro_text(moment) == "2026-01-02T03:04:05.000678Z"
    assert time.text(moment.astimezone(timezone(timedelta(hours=2)))) == "2026-01-02T03:04:05Z"
    assert time.parse("2026-01-02T05:04:05.000678+02:00") == moment
    assert time.parse("2026-01-02T03:04:05.000678999Z") == moment


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_micro_times_lose_nothing(moment: datetime) -> None:
    assert time.parse(time.micro_text(moment)) == moment


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z"]
)
def test_what_is_not_rfc3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="parsing time"):
        time.parse(text)


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        (names.subdomain, ["a", "a.b-c", "1.2"], ["", "A", "a.", "-a", "a_b", "a..b", "a" * 254]),
        (names.label, ["a", "1-b", "a" * 63], ["", "a.b", "a-", "a" * 64]),
        (names.label_1035, ["a1"], ["1a", "", "a-"]),
        (names.qualified, ["a", "A_b.c", "x.io/y"], ["", "/a", "x.io/", "a/b/c", "X/y", "a" * 64, "-a"]),
        (names.label_value, ["", "a", "A_b.c"], ["-", "a/b", "a" * 64, "a\n"]),
        (names.env_var, ["A", "a.b-c", "a b"], ["", "a=b", "é"]),
        (names.config_key, ["a", "..a"[1:], "A_b.txt"], ["", ".", "..", "..a", "a/b"]),
        (names.port_name, ["http", "a1-b"], ["", "HTTP", "1", "a--b", "-a", "a" * 16]),
        (names.path_segment, ["a:b"], [".", "..", "a/b", "a%b"]),
    ],
)
def test_name_rules(rule, right: list[str], wrong: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert [text for text in right if rule(text)] == []
    assert [text for text in wrong if not rule(text)] == []


def test_name_rules_speak_as_kubernetes() -> None:
    assert names.label("a.b") == ["must not contain dots"]
    assert names.subdomain("A") == [
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
        "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
        r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ]
    assert names.label("a" * 64) == ["must be no more than 63 characters"]
    assert names.label_value("a" * 64) == ["must be no more than 63 bytes"]
    assert names.port_number(0) == ["must be between 1 and 65535, inclusive"]


def test_generated_names_fit_a_label() -> None:
    made = {meta.generated_name("web-" * 30) for _ in range(50)}
    assert len(made) > 40
    assert all(not names.label(name) and len(name) == 63 for name in made)
    assert names.subdomain(names.prefix("web-")) == []


def test_owners() -> None:
    owner = apps_v1.ReplicaSet(metadata=meta_v1.ObjectMeta(name="rs", namespace="ns", uid="u1"))
    stranger = apps_v1.ReplicaSet(metadata=meta_v1.ObjectMeta(name="rs", namespace="ns", uid="u2"))
    pod = core_v1.Pod()
    assert meta.controller_of(pod) is None
    pod.metadata.ownerReferences = [meta.owner_reference(owner)]
    assert meta.controller_of(pod) == meta_v1.OwnerReference(
        apiVersion="apps/v1", kind="ReplicaSet", name="rs", uid="u1", controller=True, blockOwnerDeletion=True
    )
    assert meta.is_controlled_by(pod, owner)
    assert not meta.is_controlled_by(pod, stranger)
    assert meta.owner_reference(owner, controller=False).controller is None
    assert meta.key_of(owner) == "ns/rs"
    assert meta.key_of(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n"))) == "n"


@pytest.mark.parametrize(
    ("value", "round_up", "count"),
    [(3, True, 3), ("25%", True, 3), ("25%", False, 2), ("0%", True, 0), ("100%", False, 10), ("150%", True, 15)],
)
def test_percentages_of_ten(value: int | str, round_up: bool, count: int) -> None:
    assert intstr.scaled(value, 10, round_up=round_up) == count


@pytest.mark.parametrize("value", ["", "25", "%", "-5%", "2.5%", "http"])
def test_what_is_no_percentage_is_refused(value: str) -> None:
    assert not intstr.is_percent(value)
    with pytest.raises(ValueError, match="percentage"):
        intstr.scaled(value, 10, round_up=True)


def test_gvk() -> None:
    assert GVK.parse("apps/v1", "Deployment") == GVK("apps", "v1", "Deployment")
    assert GVK.parse("v1", "Pod").api_version == "v1"
    with pytest.raises(ValueError, match="unexpected GroupVersion string: a/b/c"):
        GVK.parse("a/b/c", "X")
