"""Bridges, veth pairs and addresses through netlink, the only place that uses pyroute2.

`Links` blocks for some milliseconds; `Netlink` runs it in a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import TypeVar

from node_agent import namespaces
from node_agent.network.lean_pyroute2 import IPRoute, NetlinkError

T = TypeVar("T")

_ALIAS = "timonel"
_INSIDE = "eth0"
_LOOPBACK = 1
_ABSENT = 19


@dataclass(frozen=True, slots=True)
class Plug:
    """What the alias of a veth's outer end tells: whose it is. Written last, so that it tells of finished ones only."""

    pod_uid: str
    sandbox: str
    address: IPv4Address

    def alias(self) -> str:
        """As the link carries it."""
        return f"{_ALIAS} {self.pod_uid} {self.sandbox} {self.address}"


def read_alias(alias: str | None) -> Plug | None:
    """The plug that an alias tells of; None when it is not ours."""
    match (alias or "").split(" "):
        case [prefix, uid, sandbox, address] if prefix == _ALIAS:
            return Plug(uid, sandbox, IPv4Address(address))
    return None


class Links:
    """Netlink of this machine."""

    def __init__(self) -> None:
        self._netlink = IPRoute()

    def close(self) -> None:
        """Release the socket."""
        self._netlink.close()

    def ensure_bridge(self, name: str, gateway: IPv4Interface, mtu: int) -> bool:
        """Have the bridge, up, with this address and no other; whether it had to be made."""
        missing = self._index(name) is None
        if missing:
            self._netlink.link("add", ifname=name, kind="bridge", mtu=mtu)
        index = self._index(name)
        present = {
            (entry.get_attr("IFA_ADDRESS"), entry["prefixlen"]) for entry in self._netlink.get_addr(2, index=index)
        }
        wanted = (str(gateway.ip), gateway.network.prefixlen)
        for address, length in present - {wanted}:
            self._netlink.addr("del", index=index, address=address, prefixlen=length)
        if wanted not in present:
            self._netlink.addr("add", index=index, address=wanted[0], prefixlen=wanted[1])
        self._netlink.link("set", index=index, state="up", mtu=mtu)
        return missing

    def has(self, name: str) -> bool:
        """Whether there is such a link."""
        return self._index(name) is not None

    def plugs(self) -> dict[str, Plug]:
        """All finished plugs of this machine by their links' names, on a bridge or not."""
        links = self._netlink.get_links()
        found = {link.get_attr("IFLA_IFNAME"): read_alias(link.get_attr("IFLA_IFALIAS")) for link in links}
        return {name: plug for name, plug in found.items() if plug}

    def join(self, name: str, bridge: str) -> None:
        """Put a veth into the bridge."""
        index = self._index(name)
        self._netlink.link("set", index=index, master=self._index(bridge), state="up")
        # Where bridges call iptables, a pod that asks for its own host port is answered through its own bridge port.
        self._netlink.brport("set", index=index, mode=1)

    def plug_of(self, name: str) -> Plug | None:
        """The finished plug of that name."""
        found = self._netlink.get_links(ifname=name) if self._index(name) is not None else ()
        return next((read_alias(link.get_attr("IFLA_IFALIAS")) for link in found), None)

    def plug(self, name: str, bridge: str, plug: Plug, gateway: IPv4Interface, pid: int, mtu: int) -> None:
        """Join the network namespace of ``pid`` to the bridge by a veth pair, with address and default route inside."""
        if not namespaces.has_own_network(pid):
            raise OSError(f"process {pid} is on the host's network")
        self.remove(name)
        self._netlink.link(
            "add", ifname=name, kind="veth", mtu=mtu, peer={"ifname": _INSIDE, "net_ns_pid": pid, "mtu": mtu}
        )
        self.join(name, bridge)
        namespaces.inside(pid, lambda: _configure(plug.address, gateway))
        self._netlink.link("set", index=self._index(name), ifalias=plug.alias())

    def remove(self, name: str) -> None:
        """Remove a link and, of a veth, its other end; an absent one is success."""
        index = self._index(name)
        if index is None:
            return
        try:
            self._netlink.link("del", index=index)
        except NetlinkError as error:
            if error.code != _ABSENT:
                raise

    def remove_bridge(self, name: str) -> None:
        """Remove the bridge and every veth on it."""
        index = self._index(name)
        if index is not None:
            for link in list(self._netlink.get_links(master=index)):
                self.remove(link.get_attr("IFLA_IFNAME"))
            self.remove(name)

    def _index(self, name: str) -> int | None:
        found = self._netlink.link_lookup(ifname=name)
        return int(found[0]) if found else None


def _configure(address: IPv4Address, gateway: IPv4Interface) -> None:
    """Called in the pod's namespace."""
    with IPRoute() as netlink:
        (eth0,) = netlink.link_lookup(ifname=_INSIDE)
        netlink.link("set", index=_LOOPBACK, state="up")
        netlink.addr("add", index=eth0, address=str(address), prefixlen=gateway.network.prefixlen)
        netlink.link("set", index=eth0, state="up")
        netlink.route("add", dst="default", gateway=str(gateway.ip))


class Netlink:
    """`Links` for a coroutine: one call at a time, in one thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="netlink")
        self._links: Links | None = None

    async def call(self, use: Callable[[Links], T]) -> T:
        """Run ``use``. Raises OSError, also for what netlink refuses."""

        def run() -> T:
            self._links = self._links or Links()
            try:
                return use(self._links)
            except NetlinkError as error:
                raise OSError(error.code, str(error)) from error

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    async def close(self) -> None:
        """Release socket and thread."""
        if self._links:
            await self.call(lambda links: links.close())
        self._thread.shutdown(wait=False)
