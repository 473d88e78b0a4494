"""Schedules as robfig/cron reads them."""

from datetime import timedelta

import pytest

from timonel.api import cron


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("*", set(range(60))),
        ("?", set(range(60))),
        ("5", {5}),
        ("5,7", {5, 7}),
        ("10-13", {10, 11, 12, 13}),
        ("10-20/5", {10, 15, 20}),
        ("50/3", {50, 53, 56, 59}),
        ("*/20", {0, 20, 40}),
    ],
)
def test_fields(field: str, values: set[int]) -> None:
    assert cron.parse(f"{field} * * * *").minute.values == values


def test_words_and_stars() -> None:
    schedule = cron.parse("0 0 1 JAN-mar Sun,tue")
    assert schedule.month.values == {1, 2, 3}
    assert schedule.weekday.values == {0, 2}
    assert (schedule.day.star, cron.parse("0 0 * * *").day.star, cron.parse("0 0 */2 * *").day.star) == (
        False,
        True,
        False,
    )


def test_descriptors() -> None:
    assert cron.parse("@daily") == cron.parse("0 0 * * *")
    assert cron.parse("@every 1h30m").every == timedelta(minutes=90)
    assert cron.parse("@every 10ms").every == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("* * * foo *", 'failed to parse int from foo: strconv.Atoi: parsing "foo": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        (
            "@every 9999999999999999h",
            'failed to parse duration @every 9999999999999999h: time: invalid duration "9999999999999999h"',
        ),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
    ],
)
def test_what_is_no_schedule(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the whole message is compared
        cron.parse(text)
    assert str(refused.value) == message
