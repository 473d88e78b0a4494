"""Where the virtual addresses of services lead. Pure."""

from node_agent.runtimes.base import ServicePort, Services
from timonel.api.types import core_v1, discovery_v1


def leads(service: core_v1.Service, endpoints: discovery_v1.EndpointSlice) -> Services:
    """The service's ports at each of its addresses, led to the first endpoint that is ready."""
    ready = (e for e in endpoints.endpoints if e.conditions.ready is not False)
    target = next((address for endpoint in ready for address in endpoint.addresses), None)
    if target is None:
        return {}
    ports = {port.name or "": port for port in endpoints.ports}
    return {
        ServicePort(address, port.protocol or "TCP", port.port): ServicePort(
            target, found.protocol or "TCP", found.port
        )
        for address in service.spec.clusterIPs
        for port in service.spec.ports
        if (found := ports.get(port.name)) is not None and found.port is not None
    }
