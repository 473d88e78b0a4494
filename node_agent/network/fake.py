"""A network that pretends, for nodes on the fake runtime: it only keeps addresses."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from node_agent.network import ipam
from node_agent.runtimes.base import HostPort, PodId, RuntimeFailure, Sandbox, Services


class FakeNetwork:
    """base.Network without packets; `map_ports` last said ``ports``, `ready` ``services``."""

    def __init__(self) -> None:
        self.ports: dict[PodId, Sequence[HostPort]] = {}
        self.services: Services = {}
        self._pods: IPv4Network | None = None
        self._plugged: dict[PodId, tuple[str, IPv4Address]] = {}
        self._last: IPv4Address | None = None

    async def ready(self, pod_cidr: str, services: Services) -> None:
        """Know the range, and note the services."""
        self._pods = IPv4Network(pod_cidr)
        self.services = services

    async def plug(self, sandbox: Sandbox) -> str:
        """Give the pod an address, the same for all its sandboxes."""
        if self._pods is None:
            raise RuntimeFailure("NetworkNotReady", "the node has no range of pod addresses yet")
        used = {address for _, address in self._plugged.values()}
        try:
            known = self._plugged.get(sandbox.pod)
            address = known[1] if known else ipam.choose(self._pods, used, self._last)
        except ipam.Exhausted as error:
            raise RuntimeFailure("CreatePodSandboxError", f"no address for pod {sandbox.pod.name}: {error}") from error
        self._plugged[sandbox.pod] = sandbox.id, address
        self._last = address
        return str(address)

    async def unplug(self, pod: PodId) -> None:
        """Free its address and host ports."""
        self._plugged.pop(pod, None)
        self.ports.pop(pod, None)

    async def address(self, sandbox: Sandbox) -> str | None:
        """The address that this very sandbox has."""
        identity, address = self._plugged.get(sandbox.pod, ("", None))
        return str(address) if address and identity == sandbox.id else None

    async def map_ports(self, pod: PodId, address: str, ports: Sequence[HostPort]) -> None:
        """Note them."""
        wanted = {(port.protocol, port.host_port, port.host_ip) for port in ports}
        for other, held in self.ports.items():
            if other != pod and wanted & {(port.protocol, port.host_port, port.host_ip) for port in held}:
                raise RuntimeFailure("HostPortConflict", f"a host port is taken by the pod with uid {other.uid}")
        self.ports[pod] = tuple(ports)

    async def close(self, *, remove: bool = False) -> None:
        """Forget all if asked to."""
        if remove:
            self._plugged.clear()
            self.ports.clear()
