"""Named formats of texts: ``format.dns1123Label().validate(text)`` is the optional list of what is wrong with it.

Source: Kubernetes' documentation of CEL (format library).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import date

from master.registry.cel import network
from master.registry.cel.functions import Function, global_function, member
from timonel.api import names, time

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}", re.ASCII)
Check = Callable[[str], list[str]]


def functions() -> Iterator[Function]:
    """Those that give a format."""
    for name in _CHECKS:
        yield global_function(f"format.{name}", "Format", run=lambda name=name: {"format": name})


def optionals() -> Iterator[Function]:
    """Those whose answers are optional: where an expression runs, what is empty becomes none."""
    yield global_function(
        "format.named", "Format", "string", run=lambda name: {"format": name} if name in _CHECKS else {}
    )
    yield member(
        "validate", "list(string)", "Format", "string", run=lambda packed, text: _CHECKS[packed["format"]](text)
    )


def _prefix(check: Check) -> Check:
    return lambda text: check(names.prefix(text))


def _reads(read: Callable[[str], object], fault: str = "") -> Check:
    def check(text: str) -> list[str]:
        try:
            read(text)
        except (ValueError, binascii.Error) as error:
            return [fault or str(error)]
        return []

    return check


_CHECKS: dict[str, Check] = {
    "dns1123Label": names.label,
    "dns1123Subdomain": names.subdomain,
    "dns1035Label": names.label_1035,
    "qualifiedName": names.qualified,
    "dns1123LabelPrefix": _prefix(names.label),
    "dns1123SubdomainPrefix": _prefix(names.subdomain),
    "dns1035LabelPrefix": _prefix(names.label_1035),
    "labelValue": names.label_value,
    "uri": _reads(network.url),
    "uuid": lambda text: [] if _UUID.fullmatch(text) else ["does not match the UUID format"],
    "byte": _reads(lambda text: base64.b64decode(text, validate=True), "invalid base64"),
    "date": _reads(date.fromisoformat, "invalid date"),
    "datetime": _reads(time.parse, "invalid datetime"),
}
