"""The HTTPS server: binds the port, and puts the parts of the API together."""

import logging
import ssl
from collections.abc import Mapping, Sequence

from aiohttp import web

from master.apiserver import connections, metrics
from master.apiserver.aggregation.aggregator import Aggregator
from master.apiserver.aggregation.extension import load_pair
from master.apiserver.audit.record import Auditor
from master.apiserver.authn.base import Authenticator, Union
from master.apiserver.authn.certificates import ClientCertificates
from master.apiserver.authn.reviewing import TokenReviewer
from master.apiserver.fairness.gate import CONCURRENCY, Gate
from master.apiserver.fairness.seats import Level
from master.apiserver.front import Front
from master.apiserver.health import Check
from master.apiserver.lifetimes import Lifetimes
from master.apiserver.pages import Pages
from master.apiserver.resource_api import ResourceApi
from master.apiserver.served import Served
from master.apiserver.streams.api import StreamApi
from master.metrics import Metric
from master.pki import KeyPair
from master.registry.streams import NodeStreams
from master.registry.verbs import Registry
from master.serviceaccounts import TokenIssuer
from timonel.api.errors import ServiceUnavailable

log = logging.getLogger(__name__)

HOOKS = (
    "start-system-namespaces-controller",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "priority-and-fairness-config-consumer",
)
"""What Kubernetes does after its start and tells of in its health; here it is done before the port is bound."""
BACKLOG = 4096
"""Connections that wait to be accepted: with less, thousands that come at once are lost."""


class ApiServer:
    """The Kubernetes API over HTTPS.

    Args:
        registry: what is served.
        tls: the server's certificate; where it asks for a client's, that authenticates users.
        authenticators: other ways to prove who one is, asked in order.
        certificates: the ways to prove it by a client's certificate, asked before these.
        nodes: opens streams to nodes; without it logs, exec, attach and port-forward are unavailable.
        front_proxy: the certificate by which extension servers know this one.
        checks: what `/livez`, `/readyz` and `/healthz` look at, by name, besides the server's own.
        issuer: whose keys are published for those who verify ServiceAccount tokens themselves.
        auditor: writes down what is asked of the server; closed with it.
        host: the address to bind.
        port: the port to bind; 0 takes a free one.
        concurrency: how many requests may run at once, shared by the priority levels.
        figures: what else is shown at `/metrics`.
    """

    def __init__(
        self,
        registry: Registry,
        tls: ssl.SSLContext,
        authenticators: Sequence[Authenticator] = (),
        *,
        certificates: Sequence[Authenticator] = (ClientCertificates(),),
        nodes: NodeStreams | None = None,
        front_proxy: KeyPair | None = None,
        checks: Mapping[str, Check] | None = None,
        issuer: TokenIssuer | None = None,
        auditor: Auditor | None = None,
        host: str = "0.0.0.0",
        port: int = 6443,
        concurrency: int = CONCURRENCY,
        figures: Sequence[Metric] = (),
    ) -> None:
        self._registry = registry
        self._tls = tls
        self._host = host
        self._port = port
        self._lifetimes = Lifetimes()
        self._checks = self._all_checks(checks or {})
        self._auditor = auditor
        authenticator = Union([*certificates, *authenticators])
        self._gate = Gate(registry, concurrency)
        self._aggregator = Aggregator(registry, nodes, front_proxy, self._lifetimes)
        registry.use_verifier(TokenReviewer(authenticator, issuer.audiences if issuer else ()))
        self._front = Front(
            registry,
            authenticator,
            ResourceApi(registry, self._lifetimes),
            StreamApi(registry, nodes, self._lifetimes),
            self._aggregator,
            self._make_pages(issuer, figures),
            self._gate,
            auditor,
        )
        self._runner: web.ServerRunner | None = None

    @property
    def port(self) -> int:
        """The port that is bound, once started."""
        if self._runner is None or not self._runner.addresses:
            return self._port
        return int(self._runner.addresses[0][1])

    def levels(self) -> Sequence[Level]:
        """The priority levels, with who runs and waits in each."""
        return list(self._gate.levels.values())

    async def start(self) -> None:
        """Bind and serve. The registry must have started.

        Raises:
            OSError: the address cannot be bound.
        """
        if self._auditor is not None:
            await self._auditor.start()
        self._gate.start()
        await self._aggregator.start()
        server = connections.Server(self._front.handle, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=5.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls, backlog=BACKLOG)
        await site.start()
        log.info("serving the API on https://%s:%d", self._host, self.port)

    async def close(self) -> None:
        """End watches and streams, let other requests finish for a few seconds, unbind. Idempotent."""
        self._lifetimes.close()
        await self._aggregator.close()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        if self._auditor is not None:
            await self._auditor.close()

    def _make_pages(self, issuer: TokenIssuer | None, figures: Sequence[Metric]) -> Pages:
        shown = Served(self._registry.resources, self._aggregator)
        return Pages(shown, self._checks, [*metrics.computed(self._registry), *figures], issuer)

    def _all_checks(self, others: Mapping[str, Check]) -> dict[str, dict[str, Check]]:
        """What each endpoint of health looks at, by name and in the order in which it is told."""
        hooks = dict.fromkeys((f"poststarthook/{hook}" for hook in HOOKS), _ping)
        alive = {"ping": _ping, "etcd": self._check_store, **hooks, **others}
        first = {"ping": _ping, "etcd": self._check_store, "etcd-readiness": self._check_store}
        ready = {**first, "informer-sync": self._check_caches, **hooks, **others, "shutdown": self._check_open}
        return {"livez": alive, "healthz": alive, "readyz": ready}

    async def _check_store(self) -> None:
        await self._registry.core.store.revision()

    async def _check_caches(self) -> None:
        for resource in self._registry.reader.stored():
            if resource.struct is not None and not self._registry.cache(resource).revision:
                raise ServiceUnavailable(f"{resource.group_resource} are not loaded yet")

    async def _check_open(self) -> None:
        if self._lifetimes.closed:
            raise ServiceUnavailable("the server is closing")


async def _ping() -> None:
    """Passes as long as the process answers at all."""


def server_tls(certificate: bytes, key: bytes, client_ca: bytes) -> ssl.SSLContext:
    """TLS for the API: 1.2 or newer; a client may show a certificate, which must then be signed by `client_ca`.

    Args:
        certificate: the server's certificate, PEM.
        key: its private key, PEM.
        client_ca: the authority of client certificates, PEM.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_pair(context, KeyPair(certificate, key))
    context.load_verify_locations(cadata=client_ca.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context
