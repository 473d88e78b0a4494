"""Errors about single fields, worded as Kubernetes words them (apimachinery's field.Error)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec


class Path(str):
    """Where a field is in an object: `spec.containers[0].name`, `metadata.labels[app]`."""

    __slots__ = ()

    def child(self, *names: str) -> Path:
        """The path of a field of the struct at this path."""
        return Path(".".join((self, *names) if self else names))

    def index(self, number: int) -> Path:  # type: ignore[override]  # a path has no use for str.index
        """The path of an item of the list at this path."""
        return Path(f"{self}[{number}]")

    def key(self, key: str) -> Path:
        """The path of a value of the map at this path, or of an item of a list by its key."""
        return Path(f"{self}[{key}]")


class ErrorType(StrEnum):
    """What is wrong with a field; the values are the reasons of a Status' causes."""

    NOT_FOUND = "FieldValueNotFound"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    TYPE_INVALID = "FieldValueTypeInvalid"


_TEXT = {
    ErrorType.NOT_FOUND: "Not found",
    ErrorType.REQUIRED: "Required value",
    ErrorType.DUPLICATE: "Duplicate value",
    ErrorType.INVALID: "Invalid value",
    ErrorType.NOT_SUPPORTED: "Unsupported value",
    ErrorType.FORBIDDEN: "Forbidden",
    ErrorType.TOO_LONG: "Too long",
    ErrorType.TOO_MANY: "Too many",
    ErrorType.TYPE_INVALID: "Invalid value",
}
OMITTED: Final = object()
"""Stands for a value that the message leaves out: one that is too large to be shown."""
_WITHOUT_VALUE = {ErrorType.REQUIRED, ErrorType.FORBIDDEN, ErrorType.TOO_LONG}


def quoted(text: str) -> str:
    """`text` in double quotes, escaped as Go's %q does for all that is printable."""
    return msgspec.json.encode(text).decode()


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one field."""

    type: ErrorType
    field: str
    value: object = None
    detail: str = ""

    @property
    def body(self) -> str:
        """The message without the field's path."""
        parts = [_TEXT[self.type]]
        if self.type not in _WITHOUT_VALUE and self.value is not OMITTED:
            parts.append(msgspec.json.encode(self.value, enc_hook=str).decode())
        if self.detail:
            parts.append(self.detail)
        return ": ".join(parts)

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"


def required(path: str, detail: str = "") -> FieldError:
    """The field must be given and not empty."""
    return FieldError(ErrorType.REQUIRED, path, detail=detail)


def invalid(path: str, value: object, detail: str) -> FieldError:
    """The value breaks a rule, which `detail` states."""
    return FieldError(ErrorType.INVALID, path, value, detail)


def type_invalid(path: str, value: object, detail: str) -> FieldError:
    """The value has the wrong JSON type."""
    return FieldError(ErrorType.TYPE_INVALID, path, value, detail)


def not_found(path: str, value: object, detail: str = "") -> FieldError:
    """The value names something that does not exist."""
    return FieldError(ErrorType.NOT_FOUND, path, value, detail)


def duplicate(path: str, value: object, detail: str = "") -> FieldError:
    """The value must be unique and is not."""
    return FieldError(ErrorType.DUPLICATE, path, value, detail)


def not_supported(path: str, value: object, supported: Iterable[str]) -> FieldError:
    """The value is not one of the `supported` ones."""
    names = ", ".join(quoted(name) for name in supported)
    return FieldError(ErrorType.NOT_SUPPORTED, path, value, f"supported values: {names}" if names else "")


def forbidden(path: str, detail: str) -> FieldError:
    """The field must not be set, or not be changed, here."""
    return FieldError(ErrorType.FORBIDDEN, path, detail=detail)


def too_long(path: str, limit: int) -> FieldError:
    """The value has more than `limit` bytes."""
    return FieldError(
        ErrorType.TOO_LONG, path, detail=f"may not be more than {limit} {'byte' if limit == 1 else 'bytes'}"
    )


def too_many(path: str, count: int, limit: int) -> FieldError:
    """The list has `count` items, more than `limit`."""
    detail = f"must have at most {limit} {'item' if limit == 1 else 'items'}"
    return FieldError(ErrorType.TOO_MANY, path, count, detail)
