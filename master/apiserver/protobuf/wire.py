"""The protobuf wire format: a message as numbered values."""

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
ENDS_EARLY = "the message ends within a field"

Value = int | float | bytes


class Malformed(Exception):
    """The bytes are no protobuf message."""


def values(message: bytes) -> Iterator[tuple[int, Value]]:
    """The fields of a message in order: number and raw value. Varints are unsigned; 64-bit fixed values are doubles.

    Raises:
        Malformed: it ends early or uses what this format does not have.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = (message[at], at + 1) if message[at] < 0x80 else varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == BYTES:
            small = at < end and message[at] < 0x80
            length, at = (message[at], at + 1) if small else varint(message, at)
            if at + length > end:
                raise Malformed(ENDS_EARLY)
            yield number, message[at : at + length]
            at += length
        elif kind == VARINT:
            value, at = varint(message, at)
            yield number, value
        elif kind in (FIXED64, FIXED32):
            size, form = (8, "<d") if kind == FIXED64 else (4, "<f")
            if at + size > end:
                raise Malformed(ENDS_EARLY)
            yield number, struct.unpack_from(form, message, at)[0]
            at += size
        else:
            raise Malformed(f"field {number} has the wire type {kind}")


def varint(message: bytes, at: int) -> tuple[int, int]:
    """The varint at a position, and the position after it."""
    result = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise Malformed("a number does not end")
        byte = message[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7


def signed(value: int) -> int:
    """A varint as int32 and int64 have it: two's complement of 64 bits."""
    return value - (1 << 64) if value >> 63 else value


def packed(value: bytes) -> Iterator[int]:
    """The numbers of a packed list."""
    at = 0
    while at < len(value):
        number, at = varint(value, at)
        yield number


def submessage(number: int, content: bytes) -> bytes:
    """A field that holds bytes or a message, written."""
    return varint_bytes(number << 3 | BYTES) + varint_bytes(len(content)) + content


def string(number: int, text: str) -> bytes:
    """A field that holds text, written."""
    return submessage(number, text.encode())


def varint_bytes(value: int) -> bytes:
    """A varint, written; most are small."""
    return SMALL[value] if value < len(SMALL) else _written(value)


def _written(value: int) -> bytes:
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


SMALL = tuple(_written(value) for value in range(1 << 11))
"""The small varints, written."""
