"""Kubernetes' own functions of CEL, beside those of the language and its standard extensions.

Source: Kubernetes' documentation of CEL (lists, regex, URL, IP, CIDR, quantity, sets, format).
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from master.registry import regexp
from master.registry.cel.functions import Function, global_function, member
from timonel.api.quantity import Quantity

_ORDERED = ("int", "double", "string", "bool", "bytes", "timestamp", "duration")


def functions() -> Iterator[Function]:
    """All of them."""
    yield from _lists()
    yield from _sets()
    yield from _regex()
    yield from _quantities()
    yield from _urls()
    yield from _addresses()
    yield from _versions()
    yield from _comparisons()
    yield global_function("jsonpatch.escapeKey", "string", "string", run=_escaped)


# Lists and sets


def _lists() -> Iterator[Function]:
    summable = tuple((each, (f"list({each})",)) for each in ("int", "double", "duration"))
    yield Function("sum", summable, lambda items: sum(items[1:], items[0]) if items else 0)
    for name, choose in (("min", min), ("max", max)):
        yield Function(name, tuple((each, (f"list({each})",)) for each in _ORDERED), _chosen(name, choose))
    yield member("slice", "list(dyn)", "list(dyn)", "int", "int", run=_slice)
    yield member("distinct", "list(dyn)", "list(dyn)", run=_distinct)
    yield Function("sort", tuple((f"list({each})", (f"list({each})",)) for each in _ORDERED), sorted)
    yield global_function("lists.range", "list(int)", "int", run=lambda most: list(range(most)))
    yield Function("isSorted", tuple(("bool", (f"list({each})",)) for each in _ORDERED), _is_sorted)


def _chosen(name: str, choose: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], Any]:
    def run(items: Sequence[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        return choose(items)

    return run


def _slice(items: Sequence[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(items):
        raise ValueError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return list(items[start:end])


def _distinct(items: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    found.extend(item for item in items if item not in found)
    return found


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(one <= other for one, other in itertools.pairwise(items))


def _sets() -> Iterator[Function]:
    both = ("list(dyn)", "list(dyn)")
    yield global_function("sets.contains", "bool", *both, run=_contains)
    yield global_function("sets.equivalent", "bool", *both, run=lambda a, b: _contains(a, b) and _contains(b, a))
    yield global_function("sets.intersects", "bool", *both, run=lambda a, b: any(item in b for item in a))


def _contains(whole: Sequence[Any], part: Sequence[Any]) -> bool:
    return all(item in whole for item in part)


# Regular expressions


def _regex() -> Iterator[Function]:
    yield member("find", "string", "string", "string", run=_find)
    yield member("findAll", "list(string)", "string", "string", run=_find_all)
    yield member("findAll", "list(string)", "string", "string", "int", run=_find_all)


def _find(text: str, pattern: str) -> str:
    match = regexp.compiled(pattern).search(text)
    return match.group(0) if match else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match.group(0) for match in regexp.compiled(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


# Quantities

_QUANTITY = "quantity"


def _quantities() -> Iterator[Function]:
    yield global_function("quantity", "Quantity", "string", run=lambda text: _packed(Quantity(text)))
    yield global_function("isQuantity", "bool", "string", run=_is(Quantity))
    yield member("isInteger", "bool", "Quantity", run=lambda q: _nanos(q) % 10**9 == 0)
    yield member("asInteger", "int", "Quantity", run=_as_integer)
    yield member("asApproximateFloat", "double", "Quantity", run=lambda q: _nanos(q) / 10**9)
    yield member("sign", "int", "Quantity", run=lambda q: _compared(_nanos(q), 0))
    for name, sign in (("add", 1), ("sub", -1)):
        yield member(name, "Quantity", "Quantity", "Quantity", run=_added(sign))
        yield member(name, "Quantity", "Quantity", "int", run=_added(sign))


def _packed(quantity: Quantity) -> dict[str, str]:
    """Equal amounts are equal, however they are written."""
    return {_QUANTITY: str(quantity.amount.nanos)}


def _nanos(packed: dict[str, str] | int) -> int:
    return packed * 10**9 if isinstance(packed, int) else int(packed[_QUANTITY])


def _as_integer(packed: dict[str, str]) -> int:
    whole, rest = divmod(_nanos(packed), 10**9)
    if rest:
        raise ValueError("cannot convert value to integer")
    return whole


def _added(sign: int) -> Callable[[Any, Any], dict[str, str]]:
    return lambda one, other: {_QUANTITY: str(_nanos(one) + sign * _nanos(other))}


def _compared(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _is(read: Callable[[str], object]) -> Callable[[str], bool]:
    def run(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return run


# URLs


def _urls() -> Iterator[Function]:
    yield global_function("url", "URL", "string", run=lambda text: {"url": _url(text).geturl()})
    yield global_function("isURL", "bool", "string", run=_is(_url))
    parts: dict[str, Callable[[SplitResult], str]] = {
        "getScheme": lambda url: url.scheme,
        "getHost": lambda url: url.netloc.rpartition("@")[2],
        "getHostname": lambda url: (url.hostname or "").strip("[]"),
        "getPort": lambda url: str(url.port) if url.port is not None else "",
        "getEscapedPath": lambda url: url.path,
    }
    for name, part in parts.items():
        yield member(name, "string", "URL", run=_of_url(part))


def _of_url(part: Callable[[SplitResult], str]) -> Callable[[dict[str, str]], str]:
    return lambda packed: part(urlsplit(packed["url"]))


def _url(text: str) -> SplitResult:
    parts = urlsplit(text)
    if not (parts.scheme and parts.netloc) and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    return parts


# IP addresses


def _addresses() -> Iterator[Function]:
    yield global_function("ip", "IP", "string", run=lambda text: {"ip": str(_ip(text))})
    yield global_function("isIP", "bool", "string", run=_is(_ip))
    yield global_function("ip.isCanonical", "bool", "string", run=lambda text: str(_ip(text)) == text)
    tests: dict[str, Callable[[Any], bool]] = {
        "isUnspecified": lambda ip: ip.is_unspecified,
        "isLoopback": lambda ip: ip.is_loopback,
        "isLinkLocalMulticast": lambda ip: ip.is_multicast and _is_link_local(ip),
        "isLinkLocalUnicast": lambda ip: ip.is_link_local,
        "isGlobalUnicast": lambda ip: not (ip.is_unspecified or ip.is_loopback or ip.is_multicast or ip.is_link_local),
    }
    for name, test in tests.items():
        yield member(name, "bool", "IP", run=_of_ip(test))
    yield member("family", "int", "IP", run=lambda packed: _ip(packed["ip"]).version)
    yield global_function("cidr", "CIDR", "string", run=lambda text: {"cidr": str(_cidr(text))})
    yield global_function("isCIDR", "bool", "string", run=_is(_cidr))
    for other in ("IP", "string"):
        yield member("containsIP", "bool", "CIDR", other, run=_contains_ip)
    for other in ("CIDR", "string"):
        yield member("containsCIDR", "bool", "CIDR", other, run=_contains_cidr)
    yield member("ip", "IP", "CIDR", run=lambda packed: {"ip": str(_cidr(packed["cidr"]).ip)})
    yield member("masked", "CIDR", "CIDR", run=lambda packed: {"cidr": str(_cidr(packed["cidr"]).network)})
    yield member("prefixLength", "int", "CIDR", run=lambda packed: _cidr(packed["cidr"]).network.prefixlen)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"IP Address {text!r} parse error during conversion from string") from None
    if "%" in text or (found.version == 6 and found.ipv4_mapped):
        raise ValueError(f"IP Address {text!r} parse error: zones and IPv4-mapped IPv6 addresses are not allowed")
    return found


def _cidr(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    try:
        if "/" not in text:
            raise ValueError(text)
        return ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(f"CIDR {text!r} parse error during conversion from string") from None


def _of_ip(test: Callable[[Any], bool]) -> Callable[[dict[str, str]], bool]:
    return lambda packed: test(_ip(packed["ip"]))


def _is_link_local(ip: Any) -> bool:
    if ip.version == 4:
        return ip in ipaddress.ip_network("224.0.0.0/24")
    return bool(ip.packed[1] & 0x0F == 2)


def _contains_ip(packed: dict[str, str], other: dict[str, str] | str) -> bool:
    return _ip(other if isinstance(other, str) else other["ip"]) in _cidr(packed["cidr"]).network


def _contains_cidr(packed: dict[str, str], other: dict[str, str] | str) -> bool:
    whole, part = _cidr(packed["cidr"]).network, _cidr(other if isinstance(other, str) else other["cidr"]).network
    if whole.version != part.version:
        return False
    return whole.prefixlen <= part.prefixlen and part.network_address in whole


# Semantic versions

_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)


def _versions() -> Iterator[Function]:
    yield global_function("semver", "Semver", "string", run=lambda text: {"semver": _semver(text)[0]})
    yield global_function("isSemver", "bool", "string", run=_is(_semver))
    for index, part in enumerate(("major", "minor", "patch")):
        yield member(part, "int", "Semver", run=lambda packed, index=index: _semver(packed["semver"])[1][index])


def _semver(text: str) -> tuple[str, tuple[int, int, int], str]:
    """The version, its numbers, and what marks it as a pre-release."""
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no semantic version")
    return text, (int(found[1]), int(found[2]), int(found[3])), found[4] or ""


def _precedence(packed: dict[str, str]) -> tuple[Any, ...]:
    """A pre-release comes before its release, its numbers before its words."""
    _, numbers, mark = _semver(packed["semver"])
    parts = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in mark.split(".")] if mark else []
    return numbers, not mark, parts


def _comparisons() -> Iterator[Function]:
    """Of quantities and of versions."""
    both = (("Quantity", "Quantity"), ("Semver", "Semver"))
    yield Function("isLessThan", tuple(("bool", pair) for pair in both), lambda a, b: _place(a) < _place(b))
    yield Function("isGreaterThan", tuple(("bool", pair) for pair in both), lambda a, b: _place(a) > _place(b))
    yield Function("compareTo", tuple(("int", pair) for pair in both), lambda a, b: _compared(_place(a), _place(b)))


def _place(packed: dict[str, str]) -> Any:
    return _precedence(packed) if "semver" in packed else _nanos(packed)


# Patches


def _escaped(key: str) -> str:
    """A key as a step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")
