"""The node's packet rules: pods reach everything, everything reaches pods, host ports lead to pods.

Ours are in an nftables table of the node's own. Only the permission to forward is a rule of iptables, because Docker
drops there by policy what nobody permits, and a drop anywhere wins over an accept in another table.
"""

import asyncio
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from node_agent.runtimes.base import HostPort, RuntimeFailure, Services

_SECONDS = 15.0
_BEFORE_DOCKER = "priority -110"
_AFTER_DOCKER = "priority 90"
_ANY, _AT, _SERVICES = "ports", "ports_at", "services"
TABLE = "timonel_"
"""How the tables of all nodes of a machine begin."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """One host port of one pod, as an element of a map. The kernel holds them; they outlive the agent."""

    port: HostPort
    address: str
    pod_uid: str

    @property
    def map(self) -> str:
        """The map it belongs in."""
        return _AT if self.port.host_ip else _ANY

    def key(self) -> str:
        """In nft's words."""
        return _port(self.port.host_ip, self.port.protocol, self.port.host_port)

    def element(self) -> str:
        """In nft's words."""
        return f'{self.key()} comment "{self.pod_uid}" : {self.address} . {self.port.container_port}'


def _port(address: str, protocol: str, port: int) -> str:
    return " . ".join([*([address] if address else ()), protocol.lower(), str(port)])


def table(name: str, pods: IPv4Network, cluster: IPv4Network, services: Services) -> str:
    """The table as a script that makes it, or makes an old one like it, host ports kept.

    Services lead only this node's pods, and what uses the machine's own network: another cluster may have nodes here.
    """
    leads = "dnat ip to ip daddr . meta l4proto . th dport map"
    elements = "".join(
        f"add element ip {name} {_SERVICES} {{ {_port(*port)} : {target.address} . {target.port} }}\n"
        for port, target in services.items()
    )
    return f"""
add table ip {name}
add map ip {name} {_ANY} {{ type inet_proto . inet_service : ipv4_addr . inet_service; }}
add map ip {name} {_AT} {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
add map ip {name} {_SERVICES} {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
flush map ip {name} {_SERVICES}
{elements}add chain ip {name} host_ports
add chain ip {name} prerouting {{ type nat hook prerouting {_BEFORE_DOCKER}; }}
add chain ip {name} output {{ type nat hook output {_BEFORE_DOCKER}; }}
add chain ip {name} postrouting {{ type nat hook postrouting {_AFTER_DOCKER}; }}
flush chain ip {name} host_ports
flush chain ip {name} prerouting
flush chain ip {name} output
flush chain ip {name} postrouting
add rule ip {name} host_ports {leads} @{_AT}
add rule ip {name} host_ports dnat ip to meta l4proto . th dport map @{_ANY}
add rule ip {name} prerouting fib daddr type local jump host_ports
add rule ip {name} prerouting ip saddr {pods} {leads} @{_SERVICES}
add rule ip {name} output {leads} @{_SERVICES}
add rule ip {name} output fib daddr type local jump host_ports
add rule ip {name} postrouting ip saddr {pods} ip daddr != {cluster} masquerade
add rule ip {name} postrouting ip saddr 127.0.0.0/8 ip daddr {pods} masquerade
add rule ip {name} postrouting ip saddr {pods} ip daddr {pods} ct status dnat masquerade
"""


def forward_rules(name: str, pods: IPv4Network) -> list[list[str]]:
    """What iptables must permit: to and from the node's pods."""
    return [["FORWARD", way, str(pods), "-m", "comment", "--comment", name, "-j", "ACCEPT"] for way in ("-s", "-d")]


def changes(present: Iterable[Mapping], pod_uid: str, wanted: Sequence[Mapping]) -> tuple[list[Mapping], list[Mapping]]:
    """(elements to delete, elements to add) for the pod to have these and no others.

    Raises RuntimeFailure when another pod has one of them.
    """
    held = {(mapping.map, mapping.key()): mapping for mapping in present}
    for mapping in wanted:
        holder = held.get((mapping.map, mapping.key()))
        if holder and holder.pod_uid != pod_uid:
            raise RuntimeFailure(
                "HostPortConflict", f"host port {mapping.key()} is taken by the pod with uid {holder.pod_uid}"
            )
    own = [mapping for mapping in held.values() if mapping.pod_uid == pod_uid]
    return [mapping for mapping in own if mapping not in wanted], [m for m in wanted if m not in own]


def refuse_clashes(wanted: Sequence[Mapping], elsewhere: Iterable[Mapping]) -> None:
    """Raises RuntimeFailure when another node of this machine, with the same addresses, has one of the ports."""
    held = {(mapping.map, mapping.key()): mapping for mapping in elsewhere}
    for mapping in wanted:
        if holder := held.get((mapping.map, mapping.key())):
            who = f"the pod with uid {holder.pod_uid}, on another node"
            raise RuntimeFailure("HostPortConflict", f"host port {mapping.key()} of this machine is taken by {who}")


def read_map(listed: dict[str, Any]) -> list[Mapping]:
    """The elements in nft's JSON listing of one of the two maps."""
    found = []
    for item in listed["nftables"]:
        for key, value in item.get("map", {}).get("elem", ()):
            *at, protocol, host_port = key["elem"]["val"]["concat"]
            address, container_port = value["concat"]
            port = HostPort(protocol.upper(), host_port, container_port, at[0] if at else "")
            found.append(Mapping(port, address, key["elem"].get("comment", "")))
    return found


class Rules:
    """The rules of one node. ``name`` names its table and marks its iptables rules."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = asyncio.Lock()

    async def apply(self, pods: IPv4Network, cluster: IPv4Network, services: Services) -> None:
        """Have all rules; those that are there already stay. Raises RuntimeFailure with what is missing."""
        await _run("nft", "-f", "-", given=table(self._name, pods, cluster, services))
        await self.assert_forwarding(pods)

    async def assert_forwarding(self, pods: IPv4Network) -> None:
        """Put the permission to forward back where a firewall's restart has swept it away."""
        for rule in forward_rules(self._name, pods):
            if await _status("iptables", "-w", "-C", *rule) != 0:
                await _run("iptables", "-w", "-I", *rule)

    async def remove(self) -> None:
        """Leave nothing."""
        if await _status("nft", "list", "table", "ip", self._name) == 0:
            await _run("nft", "delete", "table", "ip", self._name)
        saved = await _run("iptables-save", "-t", "filter")
        for line in saved.splitlines():
            if re.search(rf'--comment "?{re.escape(self._name)}"?( |$)', line):
                await _run("iptables", "-w", "-D", *shlex.split(line)[1:])

    async def map_ports(self, pod_uid: str, address: IPv4Address | None, ports: Sequence[HostPort]) -> None:
        """Make these host ports, and no others, lead to the pod. Raises RuntimeFailure when another pod has one."""
        wanted = [Mapping(port, str(address), pod_uid) for port in ports]
        async with self._lock:
            present = await _elements(self._name)
            delete, add = changes(present, pod_uid, wanted)
            if add:
                refuse_clashes(add, await self._elsewhere())
            await self._change(delete, add)
            if add:
                await self._yield_to_others(add)

    async def _change(self, delete: Sequence[Mapping], add: Sequence[Mapping]) -> None:
        script = [f"delete element ip {self._name} {m.map} {{ {m.key()} }}" for m in delete]
        script += [f"add element ip {self._name} {m.map} {{ {m.element()} }}" for m in add]
        if script:
            await _run("nft", "-f", "-", given="\n".join(script) + "\n")

    async def _yield_to_others(self, added: Sequence[Mapping]) -> None:
        """Of two nodes that took a port in the same moment, whoever sees the other's gives it up and tries again."""
        try:
            refuse_clashes(added, await self._elsewhere())
        except RuntimeFailure:
            await self._change(added, ())
            raise

    async def _elsewhere(self) -> list[Mapping]:
        """The host ports of this machine's other nodes."""
        listed = json.loads(await _run("nft", "-j", "list", "tables", "ip"))["nftables"]
        names = {item["table"]["name"] for item in listed if "table" in item} - {self._name}
        others = (name for name in names if name.startswith(TABLE))
        return [mapping for name in others for mapping in await _elements(name, absent=True)]


async def _elements(table_name: str, *, absent: bool = False) -> list[Mapping]:
    """A node's host ports; none where ``absent`` allows that its table has gone."""
    found: list[Mapping] = []
    for name in (_ANY, _AT):
        command = ("nft", "-j", "list", "map", "ip", table_name, name)
        if absent and await _status(*command) != 0:
            continue
        found += read_map(json.loads(await _run(*command)))
    return found


async def _run(*command: str, given: str = "") -> str:
    """A command's output. Raises RuntimeFailure with its words."""
    status, output, words = await _execute(command, given)
    if status != 0:
        raise RuntimeFailure("NetworkNotReady", f"{shlex.join(command)} failed: {words.strip()}")
    return output


async def _status(*command: str) -> int:
    return (await _execute(command, ""))[0]


async def _execute(command: Sequence[str], given: str) -> tuple[int, str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError:
        package = "nftables" if command[0] == "nft" else "iptables"
        raise RuntimeFailure("NetworkNotReady", f"{command[0]} is missing: install the package {package}") from None
    try:
        async with asyncio.timeout(_SECONDS):
            output, words = await process.communicate(given.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        raise RuntimeFailure("NetworkNotReady", f"{shlex.join(command)} did not end within {_SECONDS:g} s") from None
    return process.returncode or 0, output.decode(errors="replace"), words.decode(errors="replace")
