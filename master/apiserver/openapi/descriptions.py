"""What the API's types and fields mean, read from the docstrings of lightkube-models when they are asked for.

The modules are read as text and never imported: importing them all would cost tens of megabytes for good.
"""

import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_CLASS = re.compile(r'^class (\w+)\([^\n]*\):\n    r?"""(.*?)"""', re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\* \*\*(\w+)\*\* ``.*?`` - ?", re.MULTILINE)
_PARAMETERS = "**parameters**"


class TypeText(NamedTuple):
    """The texts of one type: its own and its fields', by wire name."""

    description: str
    fields: dict[str, str]


NO_TEXT = TypeText("", {})


@lru_cache(maxsize=2)
def module_texts(module: str) -> dict[str, TypeText]:
    """The texts of every class of a module such as `core_v1`; empty where the dependency has no such module.

    Few are kept: a document needs one or two modules, and is itself kept when it is made.
    """
    path = _folder() / f"{module}.py"
    if not path.is_file():
        return {}
    return {match[1]: _parse(match[2]) for match in _CLASS.finditer(path.read_text(encoding="utf-8"))}


@lru_cache(maxsize=1)
def _folder() -> Path:
    spec = find_spec("lightkube.models")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            "the dependency lightkube-models is not installed; install the project's dependencies"
        )
    return Path(spec.submodule_search_locations[0])


def _parse(docstring: str) -> TypeText:
    head, _, parameters = _dedent(docstring).partition(_PARAMETERS)
    pieces = _FIELD.split(parameters)
    names, texts = pieces[1::2], pieces[2::2]
    return TypeText(_unwrap(head), {_wire_name(name): _unwrap(text) for name, text in zip(names, texts, strict=True)})


def _dedent(docstring: str) -> str:
    return "\n".join(line.removeprefix("      ") for line in docstring.splitlines())


def _unwrap(text: str) -> str:
    """Joins the lines of each paragraph, as the API's own descriptions have them."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(" ".join(line.strip() for line in paragraph.splitlines()) for paragraph in paragraphs)


def _wire_name(name: str) -> str:
    """`from_` stands for `from`, `d_ref` for `$ref`."""
    if name.startswith("d_"):
        return f"${name[2:]}"
    return name.rstrip("_")
