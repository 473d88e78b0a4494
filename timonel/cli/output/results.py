"""Tells what was done to objects: by a line for each, or by the objects, as `-o` asks."""

from __future__ import annotations

from typing import Any

import click

from timonel.cli.output import objects
from timonel.cli.output.forms import form
from timonel.cli.targets import Ref

DRY = {"client": " (dry run)", "server": " (server dry run)"}


class Results:
    """Tells of one object after the other.

    Args:
        chosen: what `options.output` gave, and `options.dry_run` where the command has it.

    Raises:
        CliError: there is no such form.
    """

    def __init__(self, chosen: dict[str, Any]) -> None:
        wanted = form(chosen["output"], chosen["template"])
        self._ref: Ref | None = None
        self._managed_fields = chosen["show_managed_fields"]
        self._dry = DRY.get(chosen.get("dry_run", ""), "")
        self._printer = None if wanted.is_table else objects.Printer(wanted, lambda obj: str(self._ref))

    @property
    def need_objects(self) -> bool:
        """Whether the objects are printed."""
        return self._printer is not None

    def tell(self, ref: Ref, what: str, obj: objects.Object) -> None:
        """Tell what was done to an object, which is now as `obj`."""
        self._ref = ref
        if self._printer is None:
            click.echo(f"{ref} {what}{self._dry}")
            return
        whole = {"apiVersion": ref.resource.gvk.api_version, "kind": ref.resource.gvk.kind, **obj}
        shown = whole if self._managed_fields else objects.without_managed_fields(whole)
        click.echo(self._printer.one(shown), nl=False)
