"""The forms that `-o` names, with the templates of those that have one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from timonel.cli.errors import CliError

_BARE = ("", "wide", "yaml", "json", "name")
_TEMPLATED = ("jsonpath", "jsonpath-as-json", "custom-columns", "go-template")
_FILES = ("jsonpath-file", "custom-columns-file", "go-template-file")
_ALIASES = {"template": "go-template", "templatefile": "go-template-file"}
ALL = ", ".join(sorted((*_BARE[1:], *_TEMPLATED, *_FILES, *_ALIASES)))


@dataclass(frozen=True, slots=True)
class Form:
    """What `-o` asks for: a name, and for some a template."""

    name: str = ""
    template: str = ""

    @property
    def is_table(self) -> bool:
        """Whether the server's table is wanted, and no objects."""
        return self.name in ("", "wide")


def form(text: str, template: str = "") -> Form:
    """The form that the value of `-o` names; `template` is that of `--template`, which alone is a Go template.

    Raises:
        CliError: there is no such form, its template is missing or cannot be read.
    """
    name, equals, own = text.partition("=")
    name = _ALIASES.get(name, name) or ("go-template" if template else "")
    if name in _BARE and not equals:
        return Form(name)
    if name not in _TEMPLATED + _FILES:
        raise CliError(f'unable to match a printer suitable for the output format "{text}", allowed formats are: {ALL}')
    given = own or template
    if not given:
        raise CliError(f"{name} format specified but no template given: {name}=...")
    if name not in _FILES:
        return Form(name, given)
    try:
        content = Path(given).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"cannot read the template {given}: {error}") from None
    return Form(name.removesuffix("-file"), _columns(given, content) if name.startswith("custom") else content)


def _columns(path: str, content: str) -> str:
    """Columns as `-o custom-columns` takes them: files have a line of headers and a line of paths."""
    lines = [line.split() for line in content.splitlines()]
    if len(lines) < 2 or not lines[0] or len(lines[0]) != len(lines[1]):
        raise CliError(f"{path}: a file of custom columns has a line of headers and a line with as many paths")
    return ",".join(f"{header}:{column}" for header, column in zip(*lines[:2], strict=True))
