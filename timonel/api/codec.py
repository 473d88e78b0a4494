"""Between wire bytes, plain values and the generated types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from timonel.api import parse
from timonel.api.custom import CustomObject
from timonel.api.errors import BadRequest
from timonel.api.lenient import Misfit, fit
from timonel.api.quantity import Quantity
from timonel.api.schema import Schema, Shape, fields_of, schema_of
from timonel.api.types.meta_v1 import ObjectMeta

T = TypeVar("T")

MAX_STRICT_PROBLEMS = 100
"""Of one body; the others are not told."""

_ANY = schema_of(Any)
_METADATA = schema_of(ObjectMeta)
_OPAQUE = (msgspec.Raw,)


def encode(obj: Any) -> bytes:
    """`obj`, a struct or a plain value, as JSON."""
    return _encoder.encode(obj)


def decode(cls: type[T], raw: bytes) -> T:
    """The object in the JSON text `raw`; unknown fields are dropped, null is absence.

    Raises BadRequest, which names the field, when the text is malformed, nests too deep or does not fit `cls`.
    """
    parse.check_depth(raw)
    return decode_stored(cls, raw)


def decode_stored(cls: type[T], raw: bytes) -> T:
    """`decode` for JSON that was checked before it was stored: its depth, which takes longer than all else, is not."""
    return _decode(cls, raw)[0]


def decode_strictly(cls: type[T], raw: bytes) -> tuple[T, list[str]]:
    """`decode`, and the object's `strict_problems`."""
    parse.check_depth(raw)
    obj, exact = _decode(cls, raw)
    sound = exact and not issubclass(cls, CustomObject) and parse.keys_are_unique(raw)
    return obj, [] if sound else strict_problems(cls, raw)


def _decode(cls: type[T], raw: bytes) -> tuple[T, bool]:
    """The object, and whether it is read exactly as it is written: no field unknown or null."""
    try:
        try:
            return _decoder(cls).decode(raw), True
        except msgspec.ValidationError:
            value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {cls.__name__}): json parse error: {error}"
        ) from None
    return _convert_leniently(cls, value), False


def decode_yaml(raw: bytes) -> Any:
    """The only document of a YAML text as plain values; its mappings remember duplicate keys for `strict_problems`.

    Raises BadRequest as `parse.parse_yaml` does.
    """
    return parse.parse_yaml(raw)


def convert(cls: type[T], value: Any) -> T:
    """The object that a plain value (dicts, lists, scalars) describes. Raises BadRequest as `decode` does."""
    return _convert(cls, value)[0]


def convert_strictly(cls: type[T], value: Any) -> tuple[T, list[str]]:
    """`convert`, and the value's `strict_problems`; raises BadRequest for one that nests too deep as well."""
    parse.check_depth(encode(value))
    obj, exact = _convert(cls, value)
    return obj, [] if exact and not issubclass(cls, CustomObject) else strict_problems(cls, value)


def _convert(cls: type[T], value: Any) -> tuple[T, bool]:
    try:
        return msgspec.convert(value, cls, dec_hook=_from_plain), True
    except msgspec.ValidationError:
        return _convert_leniently(cls, value), False


def to_dict(obj: Any) -> Any:
    """`obj` as plain values, shaped as its JSON is."""
    return msgspec.to_builtins(obj, enc_hook=_to_plain)


def to_document(obj: Any) -> Any:
    """`to_dict`, but for the fields of managers: these, half of many an object, stay a `msgspec.Raw`.

    For those who look at the rest and make an object or JSON of it again.
    """
    return msgspec.to_builtins(obj, enc_hook=_to_plain, builtin_types=_OPAQUE)


def copy(obj: T) -> T:
    """A deep copy."""
    return _decoder(type(obj)).decode(_encoder.encode(obj))


def strict_problems(cls: type[Any], raw: bytes | dict[str, Any]) -> list[str]:
    """What fieldValidation=Strict refuses and Warn warns of: `unknown field "spec.foo"`, `duplicate field "spec.x"`.

    They come in the order in which Kubernetes tells them: as they stand in the text, and for custom objects duplicates
    first and unknown fields by name. `raw` is JSON text or a plain value; of those, only what `decode_yaml` gave knows
    of duplicates. Raises BadRequest when the text is malformed.
    """
    value = parse.parse_json(raw) if isinstance(raw, bytes) else raw
    problems: dict[str, None] = {}
    if issubclass(cls, CustomObject) and isinstance(value, dict):
        _find_problems(_METADATA, value.get("metadata"), "metadata", problems)
        unknown = [problem for problem in problems if problem.startswith("unknown")]
        unknown += [f'unknown field "{path}"' for path in cls.unknown_fields(value)]
        problems = dict.fromkeys([*repeated_fields(value), *sorted(unknown)])
    else:
        _find_problems(schema_of(cls), value, "", problems)
    return list(problems)[:MAX_STRICT_PROBLEMS]


def repeated_fields(value: Any, path: str = "") -> Iterator[str]:
    """What `strict_problems` says of duplicates in a value that `parse_json` gave, known fields or not."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from repeated_fields(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        repeated = value.duplicates if isinstance(value, parse.Object) else ()
        for key, inner in value.items():
            at = f"{path}.{key}" if path else key
            if key in repeated:
                yield f'duplicate field "{at}"'
            yield from repeated_fields(inner, at)


def strict_error(subject: str, problems: list[str]) -> BadRequest:
    """The error that tells of `strict_problems`; `subject` is a kind's `subject`, or empty."""
    return BadRequest(f"{subject}strict decoding error: {', '.join(problems)}")


def _convert_leniently(cls: type[T], value: Any) -> T:
    """Reads `value` as Go would, null standing for nothing; what still does not fit is refused by its path."""
    try:
        return msgspec.convert(fit(schema_of(cls), value), cls, dec_hook=_from_plain)
    except Misfit as misfit:
        raise BadRequest(f"{subject(cls)}{misfit}") from None
    except msgspec.ValidationError as error:
        raise BadRequest(f"{subject(cls)}{error}") from None


def subject(cls: type[Any]) -> str:
    """What errors of decoding begin with, where the kind is known."""
    gvk = getattr(cls, "gvk", None)
    return f'{gvk.kind} in version "{gvk.version}" cannot be handled as a {gvk.kind}: ' if gvk else ""


def _find_problems(schema: Schema, value: Any, path: str, problems: dict[str, None]) -> None:
    if isinstance(value, list):
        items = _item_schema(schema)
        for index, item in enumerate(value):
            _find_problems(items, item, f"{path}[{index}]", problems)
    elif isinstance(value, dict):
        dot = f"{path}." if path else ""
        duplicates = value.duplicates if isinstance(value, parse.Object) else ()
        schema = _struct_choice(schema)
        fields = fields_of(schema.type) if schema.shape is Shape.STRUCT else None
        for key, inner in value.items():
            if fields is not None and key not in fields:
                problems[f'unknown field "{dot}{key}"'] = None
                continue
            if key in duplicates:
                problems[f'duplicate field "{dot}{key}"'] = None
            if fields is None:
                _find_problems(schema.items or _ANY, inner, dot + key, problems)
            else:
                _find_problems(fields[key].schema, inner, dot + key, problems)


def _struct_choice(schema: Schema) -> Schema:
    """A union's struct (JSON schemas have unions of a struct with a bool or lists), else the schema itself."""
    return next((choice for choice in schema.choices if choice.shape is Shape.STRUCT), schema)


def _item_schema(schema: Schema) -> Schema:
    """What a list, or a union's list, holds."""
    return next((one.items for one in (schema, *schema.choices) if one.shape is Shape.LIST and one.items), _ANY)


def _from_plain(kind: type[Any], value: Any) -> Any:
    if kind is Quantity:
        return Quantity(value)
    if kind is msgspec.Raw:
        return value
    if issubclass(kind, CustomObject):
        return _custom(kind, value)
    raise NotImplementedError(f"no API type is a {kind.__name__}")


def _custom(kind: type[CustomObject], value: Any) -> CustomObject:
    """The object of a custom kind in a plain value."""
    if not isinstance(value, dict):
        raise BadRequest(f"{subject(kind)}the object must be a map, not {msgspec.json.encode(value)[:40].decode()}")
    metadata = value.get("metadata")
    try:
        decoded = msgspec.convert(fit(_METADATA, {} if metadata is None else metadata, "metadata"), ObjectMeta)
    except (Misfit, msgspec.ValidationError) as error:
        raise BadRequest(f"{subject(kind)}{error}") from None
    return kind.of_parts(kind.normalized(value), decoded)


def _to_plain(value: Any) -> Any:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, CustomObject):
        return value.to_document()
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    raise NotImplementedError(f"a {type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_to_plain)


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def _decoder(cls: type[T]) -> msgspec.json.Decoder[T]:
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.json.Decoder(cls, dec_hook=_from_plain)
    return decoder
