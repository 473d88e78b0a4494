"""Which address a pod gets. Pure; who has which address is read from the links themselves."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Interface, IPv4Network


class Exhausted(Exception):
    """Every address of the range is in use."""


def gateway(network: IPv4Network) -> IPv4Interface:
    """The node's own address in its pods' range: the first one."""
    return IPv4Interface(f"{network.network_address + 1}/{network.prefixlen}")


def choose(network: IPv4Network, used: Collection[IPv4Address], last: IPv4Address | None) -> IPv4Address:
    """The first free address after ``last``, round and round: an address just freed is the last one to come again.

    The network's own, the gateway's and the broadcast address are never given. Raises Exhausted.
    """
    first, size = int(network.network_address) + 2, network.num_addresses - 3
    start = int(last) - first + 1 if last is not None else 0
    for step in range(size):
        candidate = IPv4Address(first + (start + step) % size)
        if candidate not in used:
            return candidate
    raise Exhausted(f"no free address is left in {network}")
