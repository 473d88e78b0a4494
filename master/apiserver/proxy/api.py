"""Serves the `proxy` subresource: any request below it goes to a pod, to a pod behind a service, or to a node."""

from __future__ import annotations

import random
import ssl

from aiohttp import web

from master.apiserver.asked import verb_of
from master.apiserver.lifetimes import Lifetimes
from master.apiserver.paths import Target
from master.apiserver.proxy import names
from master.apiserver.proxy.forwarding import METHODS, Place, Server, request_headers
from master.apiserver.proxy.kubelet import PORT as KUBELET_PORT
from master.apiserver.proxy.kubelet import Kubelet, permission_of
from master.apiserver.proxy.names import ProxyName
from master.apiserver.proxy.routes import Direct, InPod, Route, Tls
from master.apiserver.streams.targets import node_of, target_of
from master.registry import endpoints
from master.registry.authz.base import Attributes
from master.registry.base import Resource, User
from master.registry.streams import NodeStreams
from master.registry.verbs import Registry
from timonel.api.errors import BadRequest, Forbidden, NoSuchMethod, NotFound, ServiceUnavailable
from timonel.api.fields import quoted
from timonel.api.types import core_v1, discovery_v1

SUBRESOURCE = "proxy"


def _unverified() -> ssl.SSLContext:
    """TLS with servers in pods: nobody knows what their certificates should be, as in Kubernetes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class ProxyApi:
    """Proxies to pods, services and nodes.

    Args:
        registry: knows them, and who may reach them.
        nodes: opens connections inside pods; None on a server that has no way to nodes.
        kubelet: answers for nodes.
        lifetimes: ends what runs long when the server closes.
    """

    def __init__(self, registry: Registry, nodes: NodeStreams | None, kubelet: Kubelet, lifetimes: Lifetimes) -> None:
        self._registry = registry
        self._reader = registry.reader
        self._nodes = nodes
        self._kubelet = kubelet
        self._lifetimes = lifetimes
        self._tls = _unverified()

    async def serve(self, http: web.BaseRequest, who: User, resource: Resource, target: Target) -> web.StreamResponse:
        """Answer a request below a `proxy` subresource.

        Raises:
            StatusError: the server is not there, does not answer, or the user may not reach it.
        """
        if http.method not in METHODS:
            raise NoSuchMethod
        self._authorize(http, who, resource, target)
        path = {"path": target.rest} if target.rest else {}
        await self._registry.connect(who, resource, target.namespace, target.name, SUBRESOURCE, path)
        if "dryRun" in http.query:
            raise BadRequest("dryRun is not supported")
        asked = names.split(target.name)
        if asked is None:
            raise BadRequest(f"invalid {resource.singular} request {quoted(target.name)}")
        match resource.plural:
            case "nodes":
                return await self._node(http, target, asked)
            case "pods":
                pod = await self._pod(target.namespace, asked)
                port = names.pod_port(pod, asked)
                if port is None:
                    raise BadRequest(f"pod {quoted(asked.name)} has no port {quoted(asked.port)}")
            case _:
                pod, port = await self._behind(target, asked)
        if self._nodes is None:
            raise ServiceUnavailable("this API server has no connection to nodes")
        address = pod.status.podIP
        route = InPod(self._nodes, node_of(pod), target_of(pod), address, port)
        return await self._forward(http, target, asked, route, f"{address}:{port}")

    def _authorize(self, http: web.BaseRequest, who: User, resource: Resource, target: Target) -> None:
        """By the subresource; what a node itself serves also by the finer permissions that kubelets know.

        Source: https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/
        """
        asked = Attributes(who, verb_of(http, target), resource, SUBRESOURCE, target.namespace, target.name)
        try:
            self._registry.authorize(asked)
        except Forbidden:
            finer = permission_of(target.rest) if resource.plural == "nodes" else ""
            if not finer:
                raise
            name = target.name.partition(":")[0]
            self._registry.authorize(Attributes(who, asked.verb, resource, finer, target.namespace, name))

    async def _node(self, http: web.BaseRequest, target: Target, asked: ProxyName) -> web.StreamResponse:
        node = await self._reader.current(core_v1.Node, "", asked.name)
        if node is None:
            raise NotFound("nodes", asked.name)
        if asked.port in ("", str(KUBELET_PORT)):
            return await self._kubelet.serve(http, node, target.rest)
        address = next((each.address for each in node.status.addresses if each.type == "InternalIP"), "")
        if not (asked.port.isascii() and asked.port.isdigit()) or not names.may_be_reached(address):
            raise BadRequest("address not allowed")
        route = Direct(address, int(asked.port))
        return await self._forward(http, target, asked, route, f"{address}:{asked.port}")

    async def _pod(self, namespace: str, asked: ProxyName) -> core_v1.Pod:
        pod = await self._reader.current(core_v1.Pod, namespace, asked.name)
        if pod is None:
            raise NotFound("pods", asked.name)
        if not pod.status.podIP:
            raise BadRequest("address not allowed")
        return pod

    async def _behind(self, target: Target, asked: ProxyName) -> tuple[core_v1.Pod, int]:
        """A pod behind a service, and its port. Endpoints that are no pods are not reached: anybody may write them."""
        service = await self._reader.current(core_v1.Service, target.namespace, asked.name)
        if service is None:
            raise NotFound("services", asked.name)
        port: str | None = asked.port
        if asked.port.isascii() and asked.port.isdigit():
            port = endpoints.service_port(service, int(asked.port))
            if port is None:
                raise ServiceUnavailable(f"no service port {asked.port} found for service {quoted(asked.name)}")
        in_namespace = self._reader.all_cached(discovery_v1.EndpointSlice, target.namespace)
        slices = list(endpoints.slices_of(in_namespace, asked.name))
        if not slices:
            raise NotFound("services", asked.name)
        found = endpoints.endpoints(slices, port or "")
        for endpoint in random.sample(found, len(found)):
            pod = self._reader.cached(core_v1.Pod, target.namespace, endpoint.pod) if endpoint.pod else None
            if pod is not None and pod.status.podIP == endpoint.address and pod.spec.nodeName:
                return pod, endpoint.port
        raise ServiceUnavailable(f"no endpoints available for service {quoted(target.name)}")

    async def _forward(
        self, http: web.BaseRequest, target: Target, asked: ProxyName, route: Route, host: str
    ) -> web.StreamResponse:
        path, query = http.rel_url.raw_path, http.rel_url.raw_query_string
        if not target.rest and http.method in ("GET", "HEAD"):
            location = f"{path}/?{query}" if query else f"{path}/"
            return web.Response(status=301, headers={"Location": location, "Cache-Control": "no-cache, private"})
        prefix = path.removesuffix(target.rest)
        place = Place((host, http.host), target.rest or "/", query, prefix)
        headers = request_headers(http)
        headers["X-Forwarded-Uri"] = prefix + place.path
        headers.popall("Accept-Encoding", None)  # pages must come in a form in which their URLs can be seen
        server = Server(route, Tls(self._tls, "") if asked.scheme == "https" else None, self._lifetimes)
        try:
            return await server.forward(http, place, headers)
        finally:
            await server.close()
