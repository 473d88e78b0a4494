"""The node's pod network: one bridge, a veth for each pod, and the rules around them."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from node_agent.namespaces import set_sysctl
from node_agent.network import ipam
from node_agent.network.links import Links, Netlink, Plug
from node_agent.network.rules import TABLE, Rules
from node_agent.runtimes.base import HostPort, PodId, RuntimeFailure, Sandbox, Services

log = logging.getLogger(__name__)

_BRIDGE_SECONDS = 5.0
"""How soon a bridge comes back that somebody removed."""
_RULES_TURNS = 6
"""How many looks at the bridge there are for one at the firewall's rules, which takes processes."""


def short_name(prefix: str, *parts: str) -> str:
    """A link name, of at most 15 characters, from names of any length."""
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()
    return prefix + digest[: 15 - len(prefix)]


class BridgeNetwork:
    """base.Network for one node. Several nodes of a machine have a bridge and rules each, and reach each other."""

    def __init__(self, *, cluster: str, node: str, cluster_cidr: str, mtu: int = 1500) -> None:
        self._names = cluster, node
        self._bridge = short_name("tmb-", *self._names)
        self._cluster = IPv4Network(cluster_cidr)
        self._mtu = mtu
        self._rules = Rules(TABLE + self._bridge[4:])
        self._netlink = Netlink()
        self._pods: IPv4Network | None = None
        self._addresses: dict[str, IPv4Address] = {}
        self._last: IPv4Address | None = None
        self._check: asyncio.Task[None] | None = None

    async def ready(self, pod_cidr: str, services: Services) -> None:
        """Have bridge and rules, and know the addresses that pods have from before. Again: put back what is missing."""
        pods = IPv4Network(pod_cidr)
        if pods.num_addresses < 8:
            raise RuntimeFailure("NetworkNotReady", f"the pod range {pod_cidr} is too small: at least /29 is needed")
        try:
            set_sysctl("net/ipv4/ip_forward", "1")
            await self._netlink.call(partial(self._have_bridge, pods=pods))
            plugs = await self._netlink.call(self._plugs)
        except OSError as error:
            raise RuntimeFailure("NetworkNotReady", f"cannot make the bridge {self._bridge}: {error}") from error
        await self._rules.apply(pods, self._cluster, services)
        self._addresses = {plug.pod_uid: plug.address for plug in plugs.values()} | self._addresses
        self._pods = pods
        if self._check is None:
            self._check = asyncio.create_task(self._keep(), name="network check")

    def _have_bridge(self, links: Links, pods: IPv4Network) -> None:
        """Have the bridge; a new one gets all pods that were in one before."""
        if links.ensure_bridge(self._bridge, ipam.gateway(pods), self._mtu):
            set_sysctl(f"net/ipv4/conf/{self._bridge}/route_localnet", "1")
            for name in self._plugs(links):
                log.warning("the bridge %s was gone: putting %s into the new one", self._bridge, name)
                links.join(name, self._bridge)

    def _plugs(self, links: Links) -> dict[str, Plug]:
        """This node's plugs, by their links' names."""
        return {name: plug for name, plug in links.plugs().items() if name == self._veth(plug.pod_uid)}

    async def _keep(self) -> None:
        """Put back what somebody removes by hand or by a firewall's restart."""
        turn = 0
        while True:
            await asyncio.sleep(_BRIDGE_SECONDS)
            turn += 1
            if (pods := self._pods) is None:
                continue
            try:
                await self._netlink.call(partial(self._have_bridge, pods=pods))
                if turn % _RULES_TURNS == 0:
                    await self._rules.assert_forwarding(pods)
            except RuntimeFailure as failure:
                log.warning("packet rules could not be checked: %s", failure.message)
            except OSError as error:
                log.warning("the bridge %s could not be checked: %s", self._bridge, error)

    async def plug(self, sandbox: Sandbox) -> str:
        """Join a running sandbox to the bridge; a pod keeps its address through all its sandboxes."""
        if self._pods is None:
            raise RuntimeFailure("NetworkNotReady", "the node has no range of pod addresses yet")
        if not sandbox.running:
            raise RuntimeFailure("CreatePodSandboxError", f"the sandbox {sandbox.id[:12]} does not run")
        name, pods = self._veth(sandbox.pod.uid), self._pods
        wanted = Plug(sandbox.pod.uid, sandbox.id[:12], self._reserve(sandbox.pod, self._pods))

        def join(links: Links) -> None:
            if links.plug_of(name) != wanted:
                if not links.has(self._bridge):
                    self._have_bridge(links, pods)
                links.plug(name, self._bridge, wanted, ipam.gateway(pods), sandbox.pid, self._mtu)

        try:
            await self._netlink.call(join)
        except OSError as error:
            raise RuntimeFailure(
                "CreatePodSandboxError", f"failed to set up the network of pod {sandbox.pod.name}: {error}"
            ) from error
        return str(wanted.address)

    def _reserve(self, pod: PodId, network: IPv4Network) -> IPv4Address:
        known = self._addresses.get(pod.uid)
        if known is not None and known in network:
            return known
        try:
            chosen = ipam.choose(network, set(self._addresses.values()), self._last)
        except ipam.Exhausted as error:
            raise RuntimeFailure("CreatePodSandboxError", f"no address for pod {pod.name}: {error}") from error
        self._addresses[pod.uid] = self._last = chosen
        return chosen

    async def unplug(self, pod: PodId) -> None:
        """Take the pod off the bridge, and free its address and host ports."""
        name = self._veth(pod.uid)
        await self._netlink.call(lambda links: links.remove(name))
        if self._pods:
            await self._rules.map_ports(pod.uid, None, ())
        self._addresses.pop(pod.uid, None)

    async def address(self, sandbox: Sandbox) -> str | None:
        """The address that this very sandbox has."""
        name = self._veth(sandbox.pod.uid)
        plug = await self._netlink.call(lambda links: links.plug_of(name))
        return str(plug.address) if plug and plug.sandbox == sandbox.id[:12] else None

    async def map_ports(self, pod: PodId, address: str, ports: Sequence[HostPort]) -> None:
        """Make these host ports, and no others, lead to the pod."""
        await self._rules.map_ports(pod.uid, IPv4Address(address), ports)

    async def close(self, *, remove: bool = False) -> None:
        """Release what is held; ``remove`` also takes down bridge, veths and rules, whoever made them."""
        if self._check:
            self._check.cancel()
            with suppress(asyncio.CancelledError):
                await self._check
            self._check = None
        if remove:
            await self._rules.remove()
            await self._netlink.call(lambda links: links.remove_bridge(self._bridge))
            self._pods = None
        await self._netlink.close()

    def _veth(self, uid: str) -> str:
        return short_name("tmv-", *self._names, uid)
