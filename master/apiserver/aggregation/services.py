"""The way to an extension server: to one of the endpoints of its service, as they are when a connection is made."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator

from master.apiserver.proxy.routes import Direct, InPod, P, Route, Tls, Unreachable
from master.apiserver.streams.targets import target_of
from master.registry import endpoints
from master.registry.objects import Reader
from master.registry.streams import NodeStreams
from timonel.api.types import apiregistration_v1 as v1
from timonel.api.types import core_v1, discovery_v1

EXTERNAL_NAME = "ExternalName"


class ToService:
    """A `Route` to a service: by way of the node where the endpoint is a pod, else straight from this machine."""

    def __init__(self, reader: Reader, nodes: NodeStreams | None, reference: v1.ServiceReference) -> None:
        self._reader = reader
        self._nodes = nodes
        self._namespace = reference.namespace or ""
        self._name = reference.name or ""
        self._port = reference.port or 0
        self.problem = ""

    async def open(self, make: Callable[[], P], tls: Tls | None) -> tuple[asyncio.Transport, P]:
        """See `Route`: each endpoint is tried once, in any order."""
        self.problem = ""
        problem: OSError = Unreachable(f"service {self._namespace}/{self._name} has no endpoints")
        for route in self._routes():
            try:
                return await route.open(make, tls)
            except OSError as error:
                problem = error
                self.problem = route.problem
        raise problem

    def _routes(self) -> Iterator[Route]:
        service = self._reader.cached(core_v1.Service, self._namespace, self._name)
        if service is None:
            return
        if service.spec.type == EXTERNAL_NAME:
            yield Direct(service.spec.externalName, self._port)
            return
        port = endpoints.service_port(service, self._port)
        slices = endpoints.slices_of(self._reader.all_cached(discovery_v1.EndpointSlice, self._namespace), self._name)
        found = endpoints.endpoints(slices, port) if port is not None else []
        yield from (self._route(endpoint) for endpoint in random.sample(found, len(found)))

    def _route(self, endpoint: endpoints.Endpoint) -> Route:
        pod = self._reader.cached(core_v1.Pod, self._namespace, endpoint.pod) if endpoint.pod else None
        if pod is None or not pod.spec.nodeName or self._nodes is None:
            return Direct(endpoint.address, endpoint.port)
        return InPod(self._nodes, pod.spec.nodeName, target_of(pod), endpoint.address, endpoint.port)
