"""Options that several commands have in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from timonel.cli.context import Duration

F = TypeVar("F", bound=Callable[..., Any])

FORMS = "wide|yaml|json|name|jsonpath=...|custom-columns=...|go-template=..."


def _flag(*names: str, text: str) -> Callable[[F], F]:
    return click.option(*names, is_flag=True, help=text)


all_namespaces = _flag("-A", "--all-namespaces", text="In all namespaces.")
ignore_not_found = _flag("--ignore-not-found", text="What is not there is no error.")
grace_period = click.option(
    "--grace-period", type=int, default=-1, metavar="SECONDS", help="How long pods get to end; -1: their own time."
)
selector = click.option("-l", "--selector", metavar="LABELS", default="", help="Only what has these labels: a=b,c!=d.")
field_selector = click.option("--field-selector", metavar="FIELDS", default="", help="Only what has these fields.")


def output(function: F) -> F:
    """-o, --template and --show-managed-fields."""
    function = _flag("--show-managed-fields", text="Keep managedFields in YAML and JSON.")(function)
    function = click.option(
        "--template",
        metavar="TEMPLATE",
        default="",
        help="The template, or its file, for -o; alone it is Go's.",
    )(function)
    return click.option("-o", "--output", metavar=FORMS, default="", help="How to print objects.")(function)


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


def pick(function: F) -> F:
    """-f, -R, -l, --field-selector, -A and --all: which objects are meant; see `picking`."""
    function = _flag("--all", "everything", text="All objects of the type in the namespace.")(function)
    return manifests(selectors(all_namespaces(function)))


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
