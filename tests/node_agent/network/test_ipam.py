"""Addresses are unique, in range, and not given again at once."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.network import ipam

networks = st.builds(
    lambda base, length: IPv4Network((base, length), strict=False),
    st.integers(0x0A000000, 0x0AFFFFFF),
    st.integers(24, 29),
)


def usable(network: IPv4Network) -> set[IPv4Address]:
    return set(network.hosts()) - {ipam.gateway(network).ip}


@given(networks)
def test_every_usable_address_is_given_once(network: IPv4Network) -> None:
    used: set[IPv4Address] = set()
    last = None
    for _ in usable(network):
        last = ipam.choose(network, used, last)
        used.add(last)
    assert used == usable(network)
    with pytest.raises(ipam.Exhausted):
        ipam.choose(network, used, last)


@given(networks, st.data())
def test_any_free_address_is_found(network: IPv4Network, data: st.DataObject) -> None:
    used = data.draw(st.sets(st.sampled_from(sorted(usable(network))), max_size=len(usable(network)) - 1))
    last = data.draw(st.none() | st.sampled_from(sorted(usable(network))))
    assert ipam.choose(network, used, last) in usable(network) - used


@given(networks)
def test_a_freed_address_comes_back_last(network: IPv4Network) -> None:
    freed = ipam.choose(network, set(), None)
    last, given_out = freed, []
    for _ in range(len(usable(network))):
        last = ipam.choose(network, set(), last)
        given_out.append(last)
    assert given_out.index(freed) == len(given_out) - 1


def test_the_gateway_is_the_first_address() -> None:
    assert str(ipam.gateway(IPv4Network("10.244.3.0/24"))) == "10.244.3.1/24"
    assert ipam.choose(IPv4Network("10.244.3.0/24"), set(), None) == IPv4Address("10.244.3.2")
    assert ipam.choose(IPv4Network("10.244.3.0/24"), set(), IPv4Address("10.9.0.7")) in IPv4Network("10.244.3.0/24")
