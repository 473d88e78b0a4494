"""What the tests of the command line share: its fixtures' types, and what they read out of its output."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

MAIN = "from timonel.cli.main import main; main()"
Timonel = Callable[..., Any]
Web = Callable[..., str]
Wait = Callable[[Callable[[], Any], str], Any]


def table(text: str) -> list[list[str]]:
    """The cells of a printed table."""
    return [re.split(r" {2,}", line.rstrip()) for line in text.splitlines()]


def pod_names(timonel: Timonel, app: str = "web") -> list[str]:
    """The names of an app's pods."""
    return [line.removeprefix("pod/") for line in timonel("get", "pods", "-l", f"app={app}", "-o", "name").out.split()]
