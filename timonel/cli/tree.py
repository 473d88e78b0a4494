"""Shows how far objects are: a live tree on a terminal, else a line for each change."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING

import click

from timonel.cli.awaiting import State, View
from timonel.cli.readiness import Progress, Stage

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text
    from rich.tree import Tree

_MARKS = {Stage.WAITING: ("yellow", "•"), Stage.READY: ("green", "✓"), Stage.FAILED: ("red", "✗")}


@contextmanager
def view(otherwise: View | None = None) -> Iterator[View]:
    """What suits the place that stdout goes to: a live tree, or `otherwise`, by default `Lines`."""
    if not sys.stdout.isatty():
        yield otherwise or Lines()
        return
    from rich.live import Live

    with Live(refresh_per_second=8, vertical_overflow="visible") as live:
        yield LiveTree(live)


class Silence:
    """Shows nothing."""

    def show(self, states: Sequence[State]) -> None:
        """Say nothing."""


class Lines:
    """A line for each object whenever its state has changed."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def show(self, states: Sequence[State]) -> None:
        """Say what is new."""
        for state in states:
            self._say(str(state.ref), state.progress, "")
            for pod in state.pods:
                if pod.trouble:
                    self._say(f"pod/{pod.name}", pod.progress, pod.trouble)

    def _say(self, name: str, progress: Progress, trouble: str) -> None:
        text = ": ".join(part for part in (progress.text or progress.stage.value, trouble) if part)
        if self._said.get(name) != text:
            self._said[name] = text
            click.echo(f"{name}: {text}")


class LiveTree:
    """Kinds, their objects, and under these the pods with what keeps them."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, states: Sequence[State]) -> None:
        """Draw the tree anew."""
        self._live.update(tree(states))


def tree(states: Sequence[State]) -> Tree:
    """The tree of some states."""
    from rich.text import Text
    from rich.tree import Tree

    root = Tree("", hide_root=True)
    ordered = sorted(states, key=lambda state: state.ref.resource.gvk.kind)
    for kind, group in groupby(ordered, key=lambda state: state.ref.resource.gvk.kind):
        branch = root.add(Text(kind, style="bold"))
        for state in group:
            leaf = branch.add(_line(state.ref.name, state.progress, state.progress.text))
            for pod in state.pods:
                leaf.add(_line(pod.name, pod.progress, ": ".join(filter(None, (pod.progress.text, pod.trouble)))))
    return root


def _line(name: str, progress: Progress, text: str) -> Text:
    from rich.text import Text

    colour, mark = _MARKS[progress.stage]
    return Text.assemble((f"{mark} ", colour), name, "  ", (text, "dim" if progress.ready else colour))
