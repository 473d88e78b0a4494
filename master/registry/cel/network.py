"""URLs, IP addresses and blocks of them in expressions, read as strictly as Go reads them.

Source: Kubernetes' documentation of CEL (URL, IP and CIDR libraries).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from master.registry.cel.functions import Function, global_function, is_readable, member

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?", re.ASCII)
_BAD_IN_HOST = re.compile(r"""[ "<>\\^`{|}]""")
_IN_PATH = "/%:@!$&'()*+,;=[]"
_BITS = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_CIDR_FAULT = "network address parse error during conversion from string: "

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def functions() -> Iterator[Function]:
    """All of them."""
    yield from _urls()
    yield from _addresses()
    yield from _blocks()


def text(packed: dict[str, str]) -> str:
    """An address or a block, written out."""
    return next(iter(packed.values()))


# URLs


def _urls() -> Iterator[Function]:
    yield global_function("url", "URL", "string", run=lambda text: {"url": url(text).geturl()})
    yield global_function("isURL", "bool", "string", run=is_readable(url))
    parts: dict[str, Callable[[SplitResult], str]] = {
        "getScheme": lambda url: url.scheme,
        "getHost": lambda url: url.netloc.rpartition("@")[2],
        "getHostname": lambda url: _host(url)["name"].strip("[]"),
        "getPort": lambda url: _host(url)["port"] or "",
        "getEscapedPath": lambda url: quote(url.path, safe=_IN_PATH),
    }
    for name, part in parts.items():
        yield member(name, "string", "URL", run=lambda packed, part=part: part(url(packed["url"])))
    yield member("getQuery", "map(list(string))", "URL", run=lambda packed: _query(url(packed["url"])))


def url(text: str) -> SplitResult:
    """A text as a URL; what stands behind ``#`` belongs to the path.

    Raises:
        ValueError: it is none.
    """
    fault = _url_fault(text)
    if fault:
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": {fault}')
    return urlsplit(text, allow_fragments=False)


def _url_fault(text: str) -> str:
    if not text:
        return "empty url"
    if _CONTROL.search(text):
        return "net/url: invalid control character in URL"
    if not (_SCHEME.match(text) or text.startswith("/")):
        return "invalid URI for request"
    try:
        parts = urlsplit(text, allow_fragments=False)
    except ValueError:
        return "missing ']' in host"
    escape = _BAD_ESCAPE.search(parts.netloc + parts.path)
    if escape:
        return f'invalid URL escape "{escape[0]}"'
    host = parts.netloc.rpartition("@")[2]
    strange = _BAD_IN_HOST.search(host)
    if strange:
        return f'invalid character "{strange[0]}" in host name'
    return "" if _HOST.fullmatch(host) else f'invalid port ":{host.rpartition(":")[2]}" after host'


def _host(url: SplitResult) -> re.Match[str]:
    found = _HOST.fullmatch(url.netloc.rpartition("@")[2])
    assert found is not None  # it is a URL
    return found


def _query(url: SplitResult) -> dict[str, list[str]]:
    return parse_qs(url.query, keep_blank_values=True)


# IP addresses


def _addresses() -> Iterator[Function]:
    yield global_function("ip", "IP", "string", run=lambda text: {"ip": str(_ip(text))})
    yield global_function("isIP", "bool", "string", run=is_readable(_ip))
    yield global_function("ip.isCanonical", "bool", "string", run=lambda text: str(_ip(text)) == text)
    tests: dict[str, Callable[[Any], bool]] = {
        "isUnspecified": lambda ip: ip.is_unspecified,
        "isLoopback": lambda ip: ip.is_loopback,
        "isLinkLocalMulticast": lambda ip: ip.is_multicast and _is_link_local(ip),
        "isLinkLocalUnicast": lambda ip: ip.is_link_local,
        "isGlobalUnicast": _is_global_unicast,
    }
    for name, test in tests.items():
        yield member(name, "bool", "IP", run=lambda packed, test=test: test(_ip(packed["ip"])))
    yield member("family", "int", "IP", run=lambda packed: _ip(packed["ip"]).version)


def _ip(text: str) -> Address:
    if "%" in text and ":" in text:
        raise ValueError(f'IP address "{text}" with zone value is not allowed')
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string: {_why(text)}') from None
    if found.version == 6 and found.ipv4_mapped:
        raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _why(text: str) -> str:
    """Why a text is no address."""
    fields = text.split(".")
    why = "unable to parse IP"
    if ":" not in text and len(fields) > 1 and all(field.isdecimal() for field in fields):
        if len(fields) != 4:
            why = f"IPv4 address too {'short' if len(fields) < 4 else 'long'}"
        elif any(int(field) > 255 for field in fields):
            why = "IPv4 field has value >255"
        else:
            why = "IPv4 field has octet with leading zero"
    return f'ParseAddr("{text}"): {why}'


def _is_global_unicast(ip: Any) -> bool:
    if ip.is_unspecified or ip.is_loopback or ip.is_multicast or ip.is_link_local:
        return False
    return bool(ip != ipaddress.IPv4Address(2**32 - 1))


def _is_link_local(ip: Any) -> bool:
    if ip.version == 4:
        return ip in ipaddress.ip_network("224.0.0.0/24")
    return bool(ip.packed[1] & 0x0F == 2)


# Blocks of addresses


def _blocks() -> Iterator[Function]:
    yield global_function("cidr", "CIDR", "string", run=lambda text: {"cidr": str(_cidr(text))})
    yield global_function("isCIDR", "bool", "string", run=is_readable(_cidr))
    for other in ("IP", "string"):
        yield member("containsIP", "bool", "CIDR", other, run=_contains_ip)
    for other in ("CIDR", "string"):
        yield member("containsCIDR", "bool", "CIDR", other, run=_contains_cidr)
    yield member("ip", "IP", "CIDR", run=lambda packed: {"ip": str(_cidr(packed["cidr"]).ip)})
    yield member("masked", "CIDR", "CIDR", run=lambda packed: {"cidr": str(_cidr(packed["cidr"]).network)})
    yield member("prefixLength", "int", "CIDR", run=lambda packed: _cidr(packed["cidr"]).network.prefixlen)


def _cidr(text: str) -> Interface:
    address, slash, bits = text.partition("/")
    why = ""
    if not slash:
        why = "no '/'"
    elif not _BITS.fullmatch(bits):
        why = f'bad bits after slash: "{bits}"'
    elif int(bits) > (128 if ":" in address else 32):
        why = "prefix length out of range"
    elif "%" in address:
        why = "IPv6 zones cannot be present in a prefix"
    try:
        if why:
            raise ValueError(why)
        found = ipaddress.ip_interface(text)
    except ValueError:
        fault = f'netip.ParsePrefix("{text}"): {why or _why(address)}'
        raise ValueError(_CIDR_FAULT * 2 + fault) from None
    if found.version == 6 and found.ip.ipv4_mapped:
        raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _contains_ip(packed: dict[str, str], other: dict[str, str] | str) -> bool:
    return _ip(other if isinstance(other, str) else other["ip"]) in _cidr(packed["cidr"]).network


def _contains_cidr(packed: dict[str, str], other: dict[str, str] | str) -> bool:
    whole, part = _cidr(packed["cidr"]).network, _cidr(other if isinstance(other, str) else other["cidr"]).network
    if whole.version != part.version:
        return False
    return whole.prefixlen <= part.prefixlen and part.network_address in whole
