"""The lines that a command prints while it works. Imports nothing heavy: processes are started first."""

from __future__ import annotations

import time

import click


class Steps:
    """One line a step, with the time since the start."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._begin = time.monotonic()
        self.quiet = quiet

    def done(self, what: str, text: str) -> None:
        """A step is over."""
        if not self.quiet:
            seconds = click.style(f"{time.monotonic() - self._begin:5.1f} s", dim=True)
            click.echo(f"{seconds}  {click.style(what, bold=True):<18} {text}")
