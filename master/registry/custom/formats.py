"""The formats of strings that schemas may ask for; any other format asks nothing.

Source: Kubernetes' documentation of custom resource validation, and go-openapi's strfmt.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from timonel.api import time

_HOSTNAME = re.compile(
    r"(?=.{1,253}$)[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*"
)
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_MAC = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_HEX_COLOR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_CHANNEL = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
_RGB_COLOR = re.compile(rf"rgb\({_CHANNEL},{_CHANNEL},{_CHANNEL}\)")
_SSN = re.compile(r"\d{3}[- ]?\d{2}[- ]?\d{4}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def is_known(format: str) -> bool:  # noqa: A002  # OpenAPI's word
    """Whether texts are held against the format."""
    return format.replace("-", "").lower() in _CHECKS


def fits(format: str, text: str) -> bool:  # noqa: A002  # OpenAPI's word
    """Whether ``text`` has the format; one that nobody knows is had by all."""
    check = _CHECKS.get(format.replace("-", "").lower())
    return check is None or check(text)


def _matching(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _reads(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return check


def _of_version(*versions: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        return bool(_UUID.fullmatch(text)) and (not versions or uuid.UUID(text).version in versions)

    return check


def _base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _is_isbn(text: str, *lengths: int) -> bool:
    digits = text.replace("-", "").replace(" ", "")
    if len(digits) not in lengths or not re.fullmatch(r"\d+[\dXx]", digits):
        return False
    values = [10 if letter in "Xx" else int(letter) for letter in digits]
    if len(digits) == 10:
        return sum((10 - index) * value for index, value in enumerate(values)) % 11 == 0
    return sum(value * (3 if index % 2 else 1) for index, value in enumerate(values)) % 10 == 0


def _credit_card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"\d{13,19}", digits):
        return False
    doubled = [int(digit) * (2 if index % 2 else 1) for index, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matching(_OBJECT_ID),
    "uri": _uri,
    "email": _matching(_EMAIL),
    "hostname": _matching(_HOSTNAME),
    "ipv4": _reads(ipaddress.IPv4Address),
    "ipv6": _reads(ipaddress.IPv6Address),
    "cidr": lambda text: "/" in text and _reads(lambda each: ipaddress.ip_network(each, strict=False))(text),
    "mac": _matching(_MAC),
    "uuid": _of_version(),
    "uuid3": _of_version(3),
    "uuid4": _of_version(4),
    "uuid5": _of_version(5),
    "isbn": lambda text: _is_isbn(text, 10, 13),
    "isbn10": lambda text: _is_isbn(text, 10),
    "isbn13": lambda text: _is_isbn(text, 13),
    "creditcard": _credit_card,
    "ssn": _matching(_SSN),
    "hexcolor": _matching(_HEX_COLOR),
    "rgbcolor": _matching(_RGB_COLOR),
    "byte": lambda text: bool(text) and _reads(_base64)(text),
    "date": _reads(date.fromisoformat),
    "duration": _reads(time.seconds),
    "datetime": _reads(time.parse),
}
