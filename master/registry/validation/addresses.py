"""The rules of addresses and networks."""

import ipaddress
from collections.abc import Iterator

from timonel.api.fields import FieldError, Path, invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_NO_TRAFFIC = (
    ("is_unspecified", "may not be unspecified ({})"),
    ("is_loopback", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    ("is_link_local", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
    ("is_multicast", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
)
"""Kinds of addresses, as `ipaddress` tells them, that no traffic is sent to, and what is said of them."""
NETWORK = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def network_of(text: str) -> Network | None:
    """The network in CIDR notation, host bits aside; None when it is none."""
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def is_destination(path: Path, text: str) -> Iterator[FieldError]:
    """The text is an IP address that traffic can be sent to."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        yield invalid(path, text, ADDRESS)
        return
    for property_, why in _NO_TRAFFIC:
        if getattr(address, property_):
            yield invalid(path, text, why.format(text))
            return


def is_canonical_address(path: Path, text: str) -> Iterator[FieldError]:
    """The text is an IP address in the one form that names of objects have."""
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        yield invalid(path, text, ADDRESS)
        return
    if address != text:
        yield invalid(path, text, f'must be in canonical form ("{address}")')


def is_canonical_network(path: Path, text: str) -> Iterator[FieldError]:
    """The text is a network, without host bits and in one form."""
    network = network_of(text)
    if network is None:
        yield invalid(path, text, NETWORK)
    elif str(network) != text:
        yield invalid(path, text, f'must be in canonical form ("{network}")')
