"""Commands that are imported only when they are run: one module each, named as its command."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from pathlib import Path

import click


@cache
def summaries(package: str) -> dict[str, str]:
    """The commands in a package by name, each with the first line of its module's docstring; nothing is imported."""
    folder = Path(str(import_module(package).__file__)).parent
    modules = sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))
    return {path.stem.replace("_", "-"): _first_line(path) for path in modules}


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().strip().strip('"').rstrip(".")


class LazyGroup(click.Group):
    """A group whose commands are the modules of a package; each module's `command` is the command."""

    def __init__(self, *, package: str, name: str, **settings: object) -> None:
        super().__init__(name, **settings)  # type: ignore[arg-type]  # click types each of its settings
        self._package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(summaries(self._package))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if name not in summaries(self._package):
            return None
        module = import_module(f"{self._package}.{name.replace('-', '_')}")
        command: click.Command = module.command
        command.name = name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest right word for one that is wrong."""
        if args and not ctx.resilient_parsing and args[0] not in summaries(self._package):
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from what is known without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(summaries(self._package).items()))
