"""Options that several commands have in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from timonel.cli.context import Duration

F = TypeVar("F", bound=Callable[..., Any])

FORMS = "wide|yaml|json|name|jsonpath=...|custom-columns=..."


def _flag(*names: str, text: str) -> Callable[[F], F]:
    return click.option(*names, is_flag=True, help=text)


output = click.option("-o", "--output", metavar=FORMS, default="", help="How to print what is found.")
short_output = click.option("-o", "--output", metavar="yaml|json|name|jsonpath=...", default="", help="What to print.")
all_namespaces = _flag("-A", "--all-namespaces", text="In all namespaces.")
ignore_not_found = _flag("--ignore-not-found", text="What is not there is no error.")
grace_period = click.option(
    "--grace-period", type=int, default=-1, metavar="SECONDS", help="How long pods get to end; -1: their own time."
)
selector = click.option("-l", "--selector", metavar="LABELS", default="", help="Only what has these labels: a=b,c!=d.")
field_selector = click.option("--field-selector", metavar="FIELDS", default="", help="Only what has these fields.")


def selectors(function: F) -> F:
    """-l and --field-selector."""
    return selector(field_selector(function))


def manifests(function: F) -> F:
    """-f and -R."""
    function = click.option("-R", "--recursive", is_flag=True, help="Read folders with all that is below them.")(
        function
    )
    return click.option(
        "-f", "--filename", "sources", multiple=True, metavar="FILE", help="A file, a folder, a URL, or - for stdin."
    )(function)


def dry_run(function: F) -> F:
    """--dry-run."""
    return click.option(
        "--dry-run",
        type=click.Choice(["none", "client", "server"]),
        is_flag=False,
        flag_value="client",
        default="none",
        help="Only say what would be done; 'server' has the server check it.",
    )(function)


def timeout(default: str, text: str) -> Callable[[F], F]:
    """--timeout."""
    return click.option("--timeout", type=Duration(), default=default, show_default=True, help=text)
