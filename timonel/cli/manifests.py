"""Reads manifests from files, folders, URLs and stdin, and remembers where each object stood."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timonel.api.errors import BadRequest
from timonel.api.gvk import GVK
from timonel.api.parse import parse_yaml_all
from timonel.cli.errors import CliError

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
URL_SECONDS = 30.0
MAX_BYTES = 64 * 2**20
"""How much is read of one source."""
FIRST = ("Namespace", "CustomResourceDefinition")
"""Kinds without which others cannot be made."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text with manifests."""

    name: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a source."""

    source: Source
    document: int
    """The document's number in its source, from 1."""
    item: int | None
    """Its place in the document, where that is a List."""
    object: dict[str, Any]

    @property
    def gvk(self) -> GVK:
        """The object's kind."""
        return GVK.parse(self.object["apiVersion"], self.object["kind"])

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])

    def where(self, field: str = "") -> str:
        """Where the object, or a field of it, stands: `web.yaml, document 2, line 14`."""
        path = field if self.item is None else f"items[{self.item}].{field}".rstrip(".")
        line = _line(self.source.raw, self.document, path)
        place = f"{self.source.name}, document {self.document}"
        return f"{place}, line {line}" if line else place


def load(names: Sequence[str], *, recursive: bool = False) -> list[Manifest]:
    """All objects of the named sources, those first that others need.

    Raises:
        CliError: a source cannot be read, or holds what is no manifest.
    """
    if not names:
        raise CliError("say which manifests: -f FILE, a folder, a URL, or - for stdin")
    found = [manifest for name in names for source in _sources(name, recursive) for manifest in read(source)]
    if not found:
        raise CliError(f"no objects in {', '.join(names)}")
    return sorted(found, key=lambda manifest: manifest.object["kind"] not in FIRST)


def read(source: Source) -> Iterator[Manifest]:
    """The objects of one source, the items of Lists each for itself.

    Raises:
        CliError: it is not YAML, or a document is no manifest.
    """
    documents = parse_yaml_all(source.raw)
    number = 0
    while True:
        number += 1
        try:
            document = next(documents, ...)
        except BadRequest as error:
            raise CliError(f"{source.name}, document {number}: {error.message}") from None
        if document is ...:
            return
        if document is not None:
            yield from _objects(source, number, document)


def _objects(source: Source, number: int, document: Any) -> Iterator[Manifest]:
    where = f"{source.name}, document {number}"
    if isinstance(document, dict) and document.get("kind") == "List":
        items = document.get("items") or []
        for index, item in enumerate(items):
            _check(item, f"{where}, items[{index}]")
            yield Manifest(source, number, index, item)
        return
    _check(document, where)
    yield Manifest(source, number, None, document)


def _check(obj: Any, where: str) -> None:
    """Refuse what has no kind or no name."""
    if not isinstance(obj, dict):
        raise CliError(f"{where}: a manifest is a mapping, this is {_sort_of(obj)}")
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str) or not obj[field]:
            raise CliError(f"{where}: {field} is not set")
    if obj["apiVersion"].count("/") > 1:
        raise CliError(f"{where}: apiVersion {obj['apiVersion']!r} is not of the form group/version")
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        hint = "; generateName is for create alone" if isinstance(metadata, dict) and "generateName" in metadata else ""
        raise CliError(f"{where}: {obj['kind']} has no metadata.name{hint}")


def _sort_of(value: Any) -> str:
    return "a list" if isinstance(value, list) else f"the value {value!r}"


def _sources(name: str, recursive: bool) -> Iterator[Source]:
    if name == STDIN:
        yield Source("stdin", sys.stdin.buffer.read(MAX_BYTES))
    elif name.startswith(("http://", "https://")):
        yield Source(name, _fetch(name))
    else:
        yield from (Source(str(path), _read(path)) for path in _files(Path(name).expanduser(), recursive))


def _files(path: Path, recursive: bool) -> Iterator[Path]:
    if not path.exists():
        raise CliError(f"the path {str(path)!r} does not exist")
    if not path.is_dir():
        yield path
        return
    entries = path.rglob("*") if recursive else path.iterdir()
    files = sorted(entry for entry in entries if entry.suffix in SUFFIXES and entry.is_file())
    if not files:
        hint = "" if recursive else "; -R looks below it too"
        raise CliError(f"no {', '.join(SUFFIXES)} files in {str(path)!r}{hint}")
    yield from files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from None


def _fetch(url: str) -> bytes:
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    try:
        request = Request(url, headers={"User-Agent": "timonel"})
        with urlopen(request, timeout=URL_SECONDS) as response:
            content: bytes = response.read(MAX_BYTES)
            return content
    except (URLError, OSError) as error:
        raise CliError(f"{url}: {getattr(error, 'reason', error)}") from None


# Finding lines: only when there is something to complain about, as it means to read the text once more.


def _line(raw: bytes, document: int, path: str) -> int:
    """The line, from 1, of a field or of the nearest field around it that is there; 0 when it cannot be told."""
    import yaml

    from timonel.cli.fieldnames import split

    try:
        nodes = list(yaml.compose_all(raw.decode(), Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError):
        return 0
    if document > len(nodes) or nodes[document - 1] is None:
        return 0
    node = nodes[document - 1]
    line = int(node.start_mark.line)
    for part in split(path):
        entry = _entry(node, part)
        if entry is None:
            break
        mark, node = entry
        line = int(mark.line)
    return line + 1


def _entry(node: Any, part: str | int) -> tuple[Any, Any] | None:
    """Where a member or item begins, and its node."""
    import yaml

    if isinstance(part, int):
        inside = isinstance(node, yaml.SequenceNode) and part < len(node.value)
        return (node.value[part].start_mark, node.value[part]) if inside else None
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # of a key that is there twice, the last counts
            if key.value == part:
                return key.start_mark, value
    return None
