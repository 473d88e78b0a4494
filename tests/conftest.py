"""What all tests share: those that need kubectl are skipped where there is none, or one that is too old for them."""

from __future__ import annotations

import kubectl
import pytest

OLDEST = "1.20"
"""Debian 12's."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, and say why. `@pytest.mark.kubectl(min="1.27")` asks for a version; the innermost mark that does counts."""
    marks = list(item.iter_markers("kubectl"))
    if marks or "kubectl" in getattr(item, "fixturenames", ()):
        least = next((mark.kwargs["min"] for mark in marks if "min" in mark.kwargs), OLDEST)
        if why := kubectl.unfit(least):
            pytest.skip(why)
