"""Finds faults in manifests before they are sent, and suggests the nearest right word for a wrong one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from timonel.api import codec
from timonel.api.errors import BadRequest
from timonel.api.schema import Schema, Shape, fields_of, schema_of
from timonel.api.scheme import lookup
from timonel.api.struct import Struct
from timonel.cli.manifests import Manifest

_PART = re.compile(r"\[(\d+)\]|\[([^\]]*)\]|([^.\[\]]+)")
_UNKNOWN = re.compile(r'(?:unknown|duplicate) field "(.*)"')
_MISFIT = re.compile(r"into field (\S+) of type|^(\S+): |: (\S+\.\S+): ")


def split(path: str) -> Iterator[str | int]:
    """The parts of a field's path: `spec.ports[0].name` is spec, ports, 0 and name."""
    for index, key, name in _PART.findall(path):
        yield int(index) if index else key or name


def problems(manifest: Manifest) -> list[str]:
    """What is wrong with a manifest's fields, each fault with its place; nothing is known of kinds not built in."""
    cls = lookup(manifest.gvk)
    if cls is None:
        return []
    found = [_unknown(manifest, cls, text) for text in codec.strict_problems(cls, manifest.object)]
    try:
        codec.convert(cls, manifest.object)
    except BadRequest as error:
        found.append(f"{manifest.where(_misfit_path(error.message))}: {_shortened(error.message)}")
    return found


def near_field(cls: type[Struct], path: str) -> str:
    """The field's name that is nearest to the wrong one at the end of a path; empty when none is near."""
    schema = schema_of(cls)
    *parents, wrong = split(path)
    for part in parents:
        inner = _inner(schema, part)
        if inner is None:
            return ""
        schema = inner
    if schema.shape is not Shape.STRUCT:
        return ""
    near = difflib.get_close_matches(str(wrong), list(fields_of(schema.type)), n=1)
    return near[0] if near else ""


def _unknown(manifest: Manifest, cls: type[Struct], text: str) -> str:
    match = _UNKNOWN.fullmatch(text)
    path = match[1] if match else ""
    near = near_field(cls, path) if text.startswith("unknown") else ""
    hint = f'; did you mean "{near}"?' if near else ""
    return f"{manifest.where(path)}: {text}{hint}"


def _inner(schema: Schema, part: str | int) -> Schema | None:
    if schema.shape is Shape.STRUCT:
        field = fields_of(schema.type).get(str(part))
        return field.schema if field else None
    return schema.items


def _misfit_path(message: str) -> str:
    match = _MISFIT.search(message)
    return next((group for group in match.groups() if group), "") if match else ""


def _shortened(message: str) -> str:
    """The message without the part that only repeats the kind."""
    return message.partition("cannot be handled as a ")[2].partition(": ")[2] or message
