"""Each target of the fuzzer with its seeds and with some hundred inputs that hypothesis makes: never the same ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

SEEDS = {
    name: [path.read_bytes() for path in sorted((Path(__file__).parent / "seeds" / name).iterdir())] for name in TARGETS
}
EXAMPLES = 250
EDITS = st.lists(
    st.tuples(
        st.integers(0, 400), st.integers(0, 20), st.one_of(st.binary(max_size=8), st.text(max_size=8).map(str.encode))
    ),
    max_size=4,
)
"""Where in a seed something is cut out, how much, and what is put there."""


def edited(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, count, put in edits:
        seed = seed[:at] + put + seed[at + count :]
    return seed


@pytest.mark.parametrize("name", TARGETS)
def test_seeds(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_what_resembles_a_seed(name: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(SEEDS[name]), EDITS)
    def run(seed: bytes, edits: list[tuple[int, int, bytes]]) -> None:
        TARGETS[name](edited(seed, edits))

    run()


@pytest.mark.parametrize("name", TARGETS)
def test_anything(name: str) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()
