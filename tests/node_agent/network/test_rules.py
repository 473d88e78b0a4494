"""What changes in the maps of host ports, and how nft's listing is read."""

from ipaddress import IPv4Network

import pytest

from node_agent.network.rules import Mapping, changes, forward_rules, read_map, table
from node_agent.runtimes.base import HostPort, RuntimeFailure, ServicePort

WEB = Mapping(HostPort("TCP", 8080, 80), "10.244.1.2", "web")
DNS = Mapping(HostPort("UDP", 53, 5353, "192.0.2.2"), "10.244.1.3", "dns")


def test_an_element_names_its_pod() -> None:
    assert WEB.element() == 'tcp . 8080 comment "web" : 10.244.1.2 . 80'
    assert DNS.element() == '192.0.2.2 . udp . 53 comment "dns" : 10.244.1.3 . 5353'
    assert WEB.map != DNS.map


def test_only_differences_are_changed() -> None:
    moved = Mapping(HostPort("TCP", 8080, 81), "10.244.1.2", "web")
    assert changes([], "web", [WEB]) == ([], [WEB])
    assert changes([WEB, DNS], "web", [WEB]) == ([], [])
    assert changes([WEB, DNS], "web", [moved]) == ([WEB], [moved])
    assert changes([WEB, DNS], "web", []) == ([WEB], [])


def test_a_taken_port_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match="web"):
        changes([WEB], "other", [Mapping(HostPort("TCP", 8080, 80), "10.244.1.9", "other")])
    assert changes([WEB], "other", [Mapping(HostPort("UDP", 8080, 80), "10.244.1.9", "other")])[1]


def test_nfts_listing_is_read_back() -> None:
    listed = {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {
                "map": {
                    "name": "ports",
                    "elem": [
                        [
                            {"elem": {"val": {"concat": ["tcp", 8080]}, "comment": "web"}},
                            {"concat": ["10.244.1.2", 80]},
                        ],
                        [
                            {"elem": {"val": {"concat": ["192.0.2.2", "udp", 53]}, "comment": "dns"}},
                            {"concat": ["10.244.1.3", 5353]},
                        ],
                    ],
                }
            },
        ]
    }
    assert read_map(listed) == [WEB, DNS]
    assert read_map({"nftables": [{"map": {"name": "ports"}}]}) == []


def test_a_nodes_rules_speak_of_its_own_pods_only() -> None:
    pods, cluster = IPv4Network("10.244.1.0/24"), IPv4Network("10.244.0.0/16")
    service = {ServicePort("10.96.0.1", "TCP", 443): ServicePort("192.0.2.2", "TCP", 6443)}
    script = table("timonel_x", pods, cluster, service)
    assert "add element ip timonel_x services { 10.96.0.1 . tcp . 443 : 192.0.2.2 . 6443 }" in script
    assert "prerouting ip saddr 10.244.1.0/24 dnat ip to ip daddr . meta l4proto . th dport map @services" in script
    assert "ip saddr 10.244.1.0/24 ip daddr != 10.244.0.0/16 masquerade" in script
    assert all(str(pods) in rule and "timonel_x" in rule for rule in forward_rules("timonel_x", pods))
