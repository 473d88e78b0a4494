"""The forms of `-o` that print whole objects: yaml, json, name, jsonpath and custom-columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from timonel.api import jsonpath
from timonel.cli.errors import CliError
from timonel.cli.output.table import Aligner

T = TypeVar("T")
Object = dict[str, Any]
FORMS = "wide, yaml, json, name, jsonpath=TEMPLATE, custom-columns=NAME:PATH,..."
NONE = "<none>"
_TEXT_TAG = "tag:yaml.org,2002:str"
_ALSO_BOOLEAN = ("y", "Y", "n", "N")
"""What YAML 1.1 has for booleans, beside what PyYAML takes for them."""


@dataclass(frozen=True, slots=True)
class Form:
    """What `-o` asks for: a name, and for some a template."""

    name: str = ""
    template: str = ""

    @property
    def is_table(self) -> bool:
        """Whether the server's table is wanted, and no objects."""
        return self.name in ("", "wide")


def form(text: str) -> Form:
    """The form that the value of `-o` names.

    Raises:
        CliError: there is no such form, or its template is missing.
    """
    name, equals, template = text.partition("=")
    if name in ("", "wide", "yaml", "json", "name") and not equals:
        return Form(name)
    if name in ("jsonpath", "custom-columns"):
        if not template:
            raise CliError(f"-o {name} needs a template: {name}=...")
        return Form(name, template)
    raise CliError(f"unable to match a printer suitable for the output format {text!r}: there are {FORMS}")


def without_managed_fields(obj: Object) -> Object:
    """The object without the book-keeping of who set which field."""
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    return {**obj, "metadata": metadata} if "metadata" in obj else obj


def as_list(objects: Sequence[Object]) -> Object:
    """Several objects as one: a List."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


class Printer:
    """Turns objects into text, in one form; knows what it printed before, as a watch needs it.

    Args:
        wanted: the form; none of the tables.
        name: an object as `-o name` has it.
        headers: whether custom columns have a header.
    """

    def __init__(self, wanted: Form, name: Callable[[Object], str], *, headers: bool = True) -> None:
        self._name = name
        self._first = True
        self._headers = headers
        match wanted.name:
            case "yaml":
                self._print: Callable[[Object, Sequence[Object]], str] = self._yaml
            case "json":
                self._print = lambda whole, objects: json_text(whole)
            case "name":
                self._print = lambda whole, objects: "".join(f"{self._name(each)}\n" for each in objects)
            case "jsonpath":
                nodes = _checked(wanted, lambda: jsonpath.parse(wanted.template))
                self._print = lambda whole, objects: _checked(wanted, lambda: jsonpath.render(nodes, whole))
            case _:
                self._columns = _custom_columns(wanted)
                self._aligner = Aligner()
                self._print = lambda whole, objects: self._custom(objects)

    def one(self, obj: Object) -> str:
        """One object."""
        text = self._print(obj, [obj])
        self._first = False
        return text

    def many(self, objects: Sequence[Object]) -> str:
        """Several objects, as a List where the form knows one."""
        text = self._print(as_list(objects), objects)
        self._first = False
        return text

    def _yaml(self, whole: Object, objects: Sequence[Object]) -> str:
        return ("" if self._first else "---\n") + yaml_text(whole)

    def _custom(self, objects: Sequence[Object]) -> str:
        head = [[name for name, _ in self._columns]] if self._first and self._headers else []
        rows = [*head, *([_cell(jsonpath.find(path, obj)) for _, path in self._columns] for obj in objects)]
        return "".join(f"{line}\n" for line in self._aligner.lines(rows))


def json_text(value: Any) -> str:
    """A value as JSON, indented as kubectl does, with an end of line."""
    return json.dumps(value, indent=4, ensure_ascii=False) + "\n"


def yaml_text(value: Any) -> str:
    """A value as YAML, its keys in their order; text of several lines as blocks."""
    import yaml

    text: str = yaml.dump(value, Dumper=_dumper(), sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text


def _dumper() -> type[Any]:
    import yaml

    class Dumper(yaml.CSafeDumper):
        """Writes text of several lines as a block, and what would read as another type in double quotes."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Any, value: str) -> Any:
        plain = dumper.resolve(yaml.ScalarNode, value, (True, False)) == _TEXT_TAG and value not in _ALSO_BOOLEAN
        return dumper.represent_scalar(_TEXT_TAG, value, style="|" if "\n" in value else None if plain else '"')

    Dumper.add_representer(str, text)
    return Dumper


def _custom_columns(wanted: Form) -> list[tuple[str, jsonpath.Path]]:
    columns = []
    for part in wanted.template.split(","):
        name, colon, path = part.partition(":")
        if not colon or not name or not path:
            raise CliError(f"unexpected custom-columns spec: {part!r}, expected <header>:<json-path-expr>")
        columns.append((name, _relaxed(wanted, path)))
    return columns


def _relaxed(wanted: Form, path: str) -> jsonpath.Path:
    return _checked(wanted, lambda: jsonpath.relaxed(path))


def _checked(wanted: Form, step: Callable[[], T]) -> T:
    try:
        return step()
    except jsonpath.JsonPathError as error:
        raise CliError(f"{wanted.name} {wanted.template}: {error}") from None


def _cell(values: list[Any]) -> str:
    return ",".join(_plain(value) for value in values) or NONE


def _plain(value: Any) -> str:
    """A value as Go prints it: `map[a:1 b:2]`, `[x y]`."""
    match value:
        case None:
            return NONE
        case bool():
            return str(value).lower()
        case dict():
            return f"map[{' '.join(f'{key}:{_plain(value[key])}' for key in sorted(value))}]"
        case list():
            return f"[{' '.join(map(_plain, value))}]"
        case float():
            return f"{value:g}"
    return str(value)
