"""Serves the subresources that are streams: log, exec, attach, portforward, proxy."""

import logging
from collections.abc import Callable

from aiohttp import web

from master.apiserver.lifetimes import Lifetimes
from master.apiserver.options import Query
from master.apiserver.paths import Target
from master.apiserver.proxy.api import SUBRESOURCE as PROXY
from master.apiserver.proxy.api import ProxyApi
from master.apiserver.proxy.kubelet import Kubelet
from master.apiserver.spdy.session import Pipe, Session
from master.apiserver.streams import channels, logs, options, pipes, portforward, remote, spdyforward, spdyremote
from master.apiserver.streams.targets import container_of, node_of, target_of
from master.registry.authz.base import Attributes
from master.registry.base import Resource, User, Verb
from master.registry.streams import Attach, Exec, NodeStream, NodeStreams, PortForward
from master.registry.streams import Target as StreamTarget
from master.registry.subresources import Connect
from master.registry.verbs import Registry
from timonel.api.errors import MethodNotAllowed, NotFound, ServiceUnavailable, StatusError
from timonel.api.types import core_v1

log = logging.getLogger(__name__)

REMOTE = (channels.V5, channels.V4, channels.V4_BASE64)
SPDY = channels.Protocol(spdyforward.TUNNEL)
FORWARD = (channels.V4, channels.V4_BASE64, SPDY)


class StreamApi:
    """Streams to pods over HTTP and WebSocket.

    Args:
        registry: knows the pods and who may reach them.
        nodes: opens streams to nodes; None on a server that has no way to them.
        lifetimes: ends the streams when the server closes.
    """

    def __init__(self, registry: Registry, nodes: NodeStreams | None, lifetimes: Lifetimes) -> None:
        self._registry = registry
        self._nodes = nodes
        self._lifetimes = lifetimes
        self._proxies = ProxyApi(registry, nodes, Kubelet(registry.core.sources, self._log), lifetimes)

    def serves(self, resource: Resource, target: Target) -> bool:
        """Whether a path names a stream."""
        if not target.subresource:
            return False
        subresources = self._registry.strategy(resource).subresources
        return any(isinstance(sub, Connect) and sub.name == target.subresource for sub in subresources)

    async def serve(self, http: web.BaseRequest, who: User, resource: Resource, target: Target) -> web.StreamResponse:
        """Answer a request for a stream.

        Raises:
            StatusError: it is refused, before a stream has begun.
        """
        if target.subresource == PROXY:
            return await self._proxies.serve(http, who, resource, target)
        is_log = target.subresource == "log"
        if http.method not in (("GET",) if is_log else ("GET", "POST")):
            raise MethodNotAllowed(f"{resource.group_resource}/{target.subresource}", http.method)
        verb = Verb.GET if is_log else Verb.CREATE
        self._registry.authorize(Attributes(who, verb, resource, target.subresource, target.namespace, target.name))
        pod = await self._registry.reader.current(core_v1.Pod, target.namespace, target.name)
        if pod is None:
            raise NotFound(resource.group_resource, target.name)
        if not is_log:
            asked = options.as_document(http.query)
            await self._registry.connect(who, resource, target.namespace, target.name, target.subresource, asked)
        match target.subresource:
            case "log":
                return await self._log(http, pod, http.query.get("container", ""))
            case "exec":
                return await self._remote(http, pod, options.execution)
            case "attach":
                return await self._remote(http, pod, options.attachment)
            case _:
                return await self._port_forward(http, pod)

    async def _log(self, http: web.BaseRequest, pod: core_v1.Pod, name: str) -> web.StreamResponse:
        asked = options.logs(http.query, pod.metadata.name or "")
        container = container_of(pod, name)
        if not pod.spec.nodeName:
            return web.Response(status=204, headers=logs.HEADERS)
        stream = await self._opener().open_stream(pod.spec.nodeName, target_of(pod, container), asked)
        try:
            return await logs.serve(http, stream, self._lifetimes)
        finally:
            await stream.close()

    async def _remote(
        self, http: web.BaseRequest, pod: core_v1.Pod, options_of: Callable[[Query], Exec | Attach]
    ) -> web.StreamResponse:
        """Couple client and node. The handshake comes first: clients take its failure for a lack of WebSocket."""
        target, node = target_of(pod, container_of(pod, http.query.get("container", ""))), node_of(pod)
        asked = options_of(http.query)
        is_spdy = pipes.asks_for_spdy(http)
        socket = await spdyremote.accept(http, asked) if is_spdy else await channels.accept(http, REMOTE)
        try:
            async with self._lifetimes.limit(None):
                stream = await self._opener().open_stream(node, target, asked)
                try:
                    await _greet(socket, asked)
                    await remote.couple(socket, stream)
                finally:
                    await stream.close()
        except StatusError as error:
            await socket.send(channels.Remote.ERROR, remote.failure(error))
        except (ConnectionError, TimeoutError):
            return socket.response
        finally:
            await socket.close()
        return socket.response

    async def _port_forward(self, http: web.BaseRequest, pod: core_v1.Pod) -> web.StreamResponse:
        target, node = target_of(pod), node_of(pod)

        async def open_port(port: int) -> NodeStream:
            return await self._opener().open_stream(node, target, PortForward(port))

        if pipes.asks_for_spdy(http):
            response, pipe = await pipes.upgrade(http, spdyforward.PROTOCOL)
            await self._forward_spdy(pipe, target, open_port)
            return response
        protocol = channels.check(http, FORWARD)
        ports = options.ports(http.query) if protocol is not SPDY else []
        socket = await channels.accept(http, FORWARD)
        try:
            if protocol is SPDY:
                await self._forward_spdy(pipes.WebSocketPipe(socket.response), target, open_port)
            else:
                async with self._lifetimes.limit(None):
                    await portforward.couple(socket, ports, open_port)
        except (ConnectionError, TimeoutError, StatusError):
            return socket.response
        finally:
            await socket.close()
        return socket.response

    async def _forward_spdy(self, pipe: Pipe, target: StreamTarget, open_port: spdyforward.Open) -> None:
        session = Session(pipe)
        session.start()
        try:
            async with self._lifetimes.limit(None):
                await spdyforward.Forwarder(session, target, open_port).serve()
        except TimeoutError:
            log.debug("a port-forward to pod %s was ended, for the server closes", target.pod)
        finally:
            await session.close()

    def _opener(self) -> NodeStreams:
        if self._nodes is None:
            raise ServiceUnavailable("this API server has no connection to nodes")
        return self._nodes


async def _greet(socket: remote.Channels, asked: Exec | Attach) -> None:
    """An empty message on the first channel that the client reads tells it that the other side is there."""
    channel = channels.Remote.ERROR
    if asked.stdout:
        channel = channels.Remote.STDOUT
    elif asked.stderr:
        channel = channels.Remote.STDERR
    await socket.send(channel, b"")
