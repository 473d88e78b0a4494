"""Quantities: Kubernetes' canonical forms, and the laws of exact arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api.quantity import NANOS, Quantity

# What apimachinery v0.35's ParseQuantity and String give.
CANONICAL = [
    ("0", "0"),
    ("0Ki", "0"),
    ("-0.0", "0"),
    ("0.5", "500m"),
    ("1000m", "1"),
    ("1500m", "1500m"),
    ("1.5", "1500m"),
    ("+1.5", "1500m"),
    ("500", "500"),
    ("1000", "1k"),
    ("1024", "1024"),
    ("1024Mi", "1Gi"),
    ("1025Ki", "1025Ki"),
    ("1000Ki", "1000Ki"),
    ("0.5Ki", "512"),
    ("0.9765625Ki", "1k"),
    ("0.5Gi", "512Mi"),
    ("1.5Gi", "1536Mi"),
    ("0.1Gi", "107374182400m"),
    ("0.0001Ki", "102400u"),
    ("-1Gi", "-1Gi"),
    ("100e1", "1e3"),
    ("1e3", "1e3"),
    ("12345e3", "12345e3"),
    ("1e5", "100e3"),
    ("12e-3", "12e-3"),
    ("1E", "1E"),
    ("1.", "1"),
    (".5", "500m"),
    ("0.0000000001", "1n"),
    ("0.1n", "1n"),
    ("8Ei", str(2**63 - 1)),
    ("100000000000000000000", "100E"),
]


@pytest.mark.parametrize(("given_text", "canonical"), CANONICAL)
def test_canonical_form_is_kubernetes(given_text: str, canonical: str) -> None:
    assert Quantity(given_text) == canonical


@pytest.mark.parametrize(
    "text", ["", "abc", "1K", "1ki", "1 Gi", "1.2.3", "--1", "0x1", "1_000", "1mm", "1e5m", "Ki", "."]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"quantities must match|unable to parse"):
        Quantity(text)


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_other_json_types_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="quantities must match"):
        Quantity(value)  # type: ignore[arg-type]


def test_numbers_are_read_as_their_text() -> None:
    assert Quantity(2) == "2"
    assert Quantity(0.25) == "250m"


def test_absurd_sizes_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="numeric part"):
        Quantity("1e999999999")
    with pytest.raises(ValueError, match="numeric part"):
        Quantity("9" * 2000)


def test_values_are_rounded_away_from_zero() -> None:
    assert Quantity("1500m").to_int() == 2
    assert Quantity("-1500m").to_int() == -2
    assert Quantity("1u").to_milli() == 1
    assert Quantity("0.1").to_milli() == 100
    assert Quantity("1Gi").to_int() == 2**30


def test_comparison_is_of_amounts() -> None:
    assert Quantity("1Gi").compare(Quantity("1073741824")) == 0
    assert Quantity("999m").compare(Quantity("1")) == -1
    assert Quantity("1Gi").compare(Quantity("1G")) == 1


def test_sums_keep_the_first_format() -> None:
    assert Quantity("1Gi").plus(Quantity("1024Mi")) == "2Gi"
    assert Quantity("0").plus(Quantity("1Gi")) == "1Gi"
    assert Quantity("1").minus(Quantity("250m")) == "750m"
    assert Quantity.milli(1250) == "1250m"


LARGEST = (2**63 - 1) * NANOS
"""Binary quantities are cut off here."""
nanos = st.integers(-LARGEST, LARGEST)
formats = st.sampled_from(["decimal", "binary", "exponent"])
suffixes = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


@given(nanos, formats)
def test_text_and_amount_are_one(value: int, format_: str) -> None:
    made = Quantity.of(value, format_)  # type: ignore[arg-type]
    assert made.amount.nanos == value
    assert Quantity(str(made)) == made


@given(nanos, nanos)
def test_arithmetic_is_exact(a: int, b: int) -> None:
    first, second = Quantity.of(a), Quantity.of(b)
    assert first.plus(second).amount.nanos == a + b
    assert first.minus(second).amount.nanos == a - b
    assert first.compare(second) == (a > b) - (a < b)


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.sampled_from(sorted(suffixes)))
def test_parsing_is_exact_to_the_nano_and_rounds_up(whole: int, fraction: int, suffix: str) -> None:
    exact = Fraction(f"{whole}.{fraction:06}") * Fraction(10) ** suffixes[suffix] * NANOS
    assert Quantity(f"{whole}.{fraction:06}{suffix}").amount.nanos == -(-exact.numerator // exact.denominator)
