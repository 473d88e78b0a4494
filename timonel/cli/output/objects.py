"""Prints whole objects in the forms of `-o`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from timonel.api import jsonpath
from timonel.cli.errors import CliError
from timonel.cli.gotemplate.formatting import plain
from timonel.cli.output.forms import Form
from timonel.cli.output.table import Aligner

T = TypeVar("T")
Object = dict[str, Any]
Whole = Callable[[Object], str]
NONE = "<none>"
_TEXT_TAG = "tag:yaml.org,2002:str"
_ALSO_BOOLEAN = ("y", "Y", "n", "N")
"""What YAML 1.1 has for booleans, beside what PyYAML takes for them."""


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
        self._print: Callable[[Object, Sequence[Object]], str]
        match wanted.name:
            case "yaml":
                self._print = self._yaml
            case "name":
                self._print = lambda whole, objects: "".join(f"{self._name(each)}\n" for each in objects)
            case "custom-columns":
                self._columns = _custom_columns(wanted)
                self._aligner = Aligner()
                self._print = lambda whole, objects: self._custom(objects)
            case _:
                text = _whole(wanted)
                self._print = lambda whole, objects: text(whole)

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


def _whole(wanted: Form) -> Whole:
    """What prints an object in a form that knows no lists."""
    match wanted.name:
        case "jsonpath":
            nodes = _checked(wanted, lambda: jsonpath.parse(wanted.template))
            return lambda whole: _checked(wanted, lambda: jsonpath.render(nodes, whole))
        case "jsonpath-as-json":
            nodes = _checked(wanted, lambda: jsonpath.parse(wanted.template))
            return lambda whole: "".join(map(json_text, _checked(wanted, lambda: jsonpath.results(nodes, whole))))
        case "go-template":
            return _go_template(wanted.template)
    return json_text


def _go_template(text: str) -> Whole:
    from timonel.cli.gotemplate import Template, TemplateError

    try:
        template = Template(text)
    except TemplateError as error:
        raise CliError(f"error parsing template {text}, {error}") from None

    def render(whole: Object) -> str:
        try:
            return template.render(whole)
        except TemplateError as error:
            raise CliError(f'error executing template "{text}": {error}') from None

    return render


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
    return ",".join(NONE if value is None else plain(value) for value in values) or NONE
