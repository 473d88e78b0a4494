"""What all tests share: those that need kubectl or Docker are skipped where there is none, or one too old for them."""

from __future__ import annotations

from functools import cache

import docker
import kubectl
import pytest
from docker.errors import DockerException

OLDEST = "1.20"
"""Debian 12's."""


@cache
def without_docker() -> str:
    """Why no Docker daemon can be used; empty when one can."""
    try:
        docker.from_env(version="auto", timeout=10).close()
    except DockerException as error:
        return f"no Docker daemon answers: {error}"
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, and say why. `@pytest.mark.kubectl(min="1.27")` asks for a version; the innermost mark that does counts."""
    why = ""
    marks = list(item.iter_markers("kubectl"))
    if marks or "kubectl" in getattr(item, "fixturenames", ()):
        why = kubectl.unfit(next((mark.kwargs["min"] for mark in marks if "min" in mark.kwargs), OLDEST))
    if item.get_closest_marker("docker") and not item.get_closest_marker("e2e"):  # those start a daemon of their own
        why = why or without_docker()
    if why:
        pytest.skip(why)
