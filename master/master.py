"""The master: store, registry, API server, controllers, scheduler and dispatcher in one process, put together and taken
apart in order.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

from master import tracing
from master.apiserver.audit.log import AuditSettings
from master.apiserver.audit.record import Auditor
from master.apiserver.authn.base import Authenticator
from master.apiserver.authn.certificates import ClientCertificates
from master.apiserver.authn.oidc import OidcSettings, OpenIdConnect
from master.apiserver.authn.request_headers import RequestHeaders, RequestHeaderSettings
from master.apiserver.authn.tokens import BootstrapTokens, ServiceAccountTokens, StaticTokens
from master.apiserver.fairness.gate import CONCURRENCY
from master.apiserver.server import ApiServer, server_tls
from master.bootstrap_tokens import BootstrapToken, to_secret
from master.controllers.api_server_leases import api_server_leases
from master.controllers.certificate_signing import certificate_approval, certificate_signing
from master.controllers.controller import load as load_controllers
from master.controllers.engine import Engine
from master.controllers.token_secrets import token_secrets
from master.controllers.view import DEFAULT_CLUSTER_CIDR
from master.dispatcher.server import Dispatcher
from master.dispatcher.session import Settings as NodeSettings
from master.files import make_private_directory, replace
from master.kubeconfig import admin_kubeconfig, to_yaml
from master.metrics import Metric
from master.pki import Host, Pki, server_hosts
from master.registry import authz
from master.registry.base import component
from master.registry.bootstrap import FRONT_PROXY, KUBERNETES_SERVICE_IP, bootstrap, publish_api, publish_identity
from master.registry.recorder import EventRecorder
from master.registry.streams import NodeStreams
from master.registry.validation.service import NETWORK as SERVICE_NETWORK
from master.registry.verbs import Registry
from master.scheduler.loop import Scheduler
from master.serviceaccounts import RegistryMinter, RegistryObjects, TokenIssuer
from master.store.base import Store
from master.store.embedded import EmbeddedStore
from master.store.encrypted import EncryptedStore, load_keys
from master.store.observed import ObservedStore
from master.tracing import Tracing
from timonel.api.errors import AlreadyExists
from timonel.api.types import core_v1

log = logging.getLogger(__name__)

ENCRYPTED = ("/registry/core/secrets/",)
"""What is encrypted at rest."""

JOIN_TOKEN_LIFETIME = timedelta(hours=1)

KUBECONFIG = "admin.kubeconfig"
ENDPOINTS = "endpoints.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a master is run. Port 0 takes any that is free; `Endpoints` then says which."""

    data_dir: Path
    etcd: tuple[str, ...] = ()
    """The etcd members as host:port; none: the embedded store in the data directory."""
    address: str = "0.0.0.0"
    api_port: int = 6443
    bootstrap_port: int = 6444
    node_port: int = 6445
    cluster_cidr: IPv4Network = DEFAULT_CLUSTER_CIDR
    """The range of all pods' addresses; each node gets a /24 of it."""
    hosts: tuple[str, ...] = ()
    """Further names and addresses by which this machine is reached."""
    token_file: Path | None = None
    """Static tokens, as Kubernetes' --token-auth-file has them."""
    join_token: str = ""
    """A bootstrap token that is good from the start, for nodes that are started together with the master."""
    oidc: OidcSettings | None = None
    """An identity provider whose users are believed."""
    request_headers: RequestHeaderSettings | None = None
    """Proxies in front of the API that are believed about who asks."""
    audit: AuditSettings | None = None
    """What is written down of requests; nothing by default."""
    concurrency: int = CONCURRENCY
    """How many requests may run at once, shared by the priority levels."""
    admission_plugins: Path | None = None
    """A folder of admission plugins in Python."""
    tracing: Path | None = None
    """A TracingConfiguration; without one nothing is traced."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a running master listens, as it writes to `endpoints.json` once it serves."""

    api: str
    bootstrap_port: int
    node_port: int
    ca_hash: str
    pid: int


class Master:
    """A master in this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where it listens.

        Raises:
            RuntimeError: it has not started.
        """
        if self._endpoints is None:
            raise RuntimeError("the master has not started")
        return self._endpoints

    async def start(self) -> None:
        """Start every part in order; a kubeconfig and the endpoints are in the data directory when this returns.

        Raises:
            OSError: a port is taken, or the data directory cannot be written.
            StoreError: the store cannot be opened.
            ConfigurationError: a file or an option cannot be used.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def close(self) -> None:
        """Stop every part, in reverse order. Idempotent."""
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = self._settings
        if settings.tracing:
            self._stack.callback(Tracing(tracing.load(settings.tracing)).close)
        make_private_directory(settings.data_dir)
        pki = Pki.open(settings.data_dir / "pki")
        front_proxy = Pki.open_front_proxy(settings.data_dir / "pki")
        issuer = TokenIssuer(pki.service_account_key)
        own_addresses = _own_addresses()
        hosts = server_hosts([*settings.hosts, *own_addresses], KUBERNETES_SERVICE_IP)

        registry = await self._start_registry(pki, front_proxy, issuer)
        await self._use_admission_plugins(registry)
        dispatcher = _dispatcher(settings, registry, pki, hosts)
        registry.use_usage(dispatcher.usage)
        scheduler = Scheduler(registry)
        registry.use_explainer(scheduler)
        controllers = [
            *load_controllers(),
            certificate_approval(registry),
            certificate_signing(pki),
            token_secrets(issuer.mint_for_secret, pki.ca_pem),
            api_server_leases(await publish_identity(registry, socket.gethostname())),
        ]
        engine = Engine(registry, controllers=controllers, cluster_cidr=settings.cluster_cidr)
        api = _api_server(settings, registry, pki, front_proxy, hosts, issuer, dispatcher, scheduler.figures())
        for part in (dispatcher, engine, scheduler, api):
            self._stack.push_async_callback(part.close)
            await part.start()
        await publish_api(registry, own_addresses or ["127.0.0.1"], api.port)
        self._endpoints = Endpoints(
            api=f"https://127.0.0.1:{api.port}",
            bootstrap_port=dispatcher.bootstrap_port,
            node_port=dispatcher.node_port,
            ca_hash=pki.ca_hash,
            pid=os.getpid(),
        )
        self._publish(pki)

    async def _start_registry(self, pki: Pki, front_proxy: Pki, issuer: TokenIssuer) -> Registry:
        """The API over the store, with what every cluster has from its first start."""
        settings = self._settings
        store = await _open_store(settings)
        self._stack.push_async_callback(store.close)
        keys = load_keys(settings.data_dir / "encryption.keys")
        encrypted = EncryptedStore(store, ENCRYPTED, keys)
        if len(keys) > 1 and (count := await encrypted.renew()):
            log.info("wrote %d values again, with the encryption key %s", count, keys[0].name)
        registry = Registry(ObservedStore(encrypted), authz.load())
        registry.use_minter(RegistryMinter(issuer, RegistryObjects(registry.reader)))
        await registry.start()
        self._stack.push_async_callback(registry.close)
        await bootstrap(registry, pki.ca_pem, front_proxy.ca_pem)
        if settings.join_token:
            await _admit(registry, settings.join_token)
        return registry

    async def _use_admission_plugins(self, registry: Registry) -> None:
        """Let admission plugins take part; of those that fail, an Event in the namespace default tells too."""
        events = EventRecorder(registry, "admission", component("apiserver"))
        await events.start()
        self._stack.push_async_callback(events.close)
        about = core_v1.ObjectReference(apiVersion="v1", kind="Namespace", name="kube-system")

        def failed(plugin: str, why: str) -> None:
            events.warning(about, "AdmissionPluginFailed", f"{plugin}: {why}")

        await registry.use_functions(self._settings.admission_plugins, failed)

    def _publish(self, pki: Pki) -> None:
        directory = self._settings.data_dir
        replace(directory / KUBECONFIG, to_yaml(admin_kubeconfig(pki, self.endpoints.api)).encode())
        replace(directory / ENDPOINTS, json.dumps(asdict(self.endpoints)).encode())


def _dispatcher(settings: Settings, registry: Registry, pki: Pki, hosts: Sequence[Host]) -> Dispatcher:
    return Dispatcher(
        registry,
        pki,
        hosts=hosts,
        address=settings.address,
        bootstrap_port=settings.bootstrap_port,
        node_port=settings.node_port,
        settings=NodeSettings(cluster_cidr=str(settings.cluster_cidr), service_cidr=str(SERVICE_NETWORK)),
    )


def _api_server(
    settings: Settings,
    registry: Registry,
    pki: Pki,
    front_proxy: Pki,
    hosts: Sequence[Host],
    issuer: TokenIssuer,
    nodes: NodeStreams,
    figures: Sequence[Metric],
) -> ApiServer:
    pair = pki.issue_server(hosts)
    authenticators: list[Authenticator] = [
        ServiceAccountTokens(issuer, registry),
        BootstrapTokens(registry.reader),
    ]
    if settings.token_file:
        authenticators.append(StaticTokens(settings.token_file))
    if settings.oidc:
        authenticators.append(OpenIdConnect(settings.oidc))
    certificates: list[Authenticator] = [ClientCertificates()]
    authorities = pki.ca_pem
    if settings.request_headers:
        certificates = [RequestHeaders(settings.request_headers), ClientCertificates(pki.ca_pem)]
        authorities += settings.request_headers.authority
    return ApiServer(
        registry,
        server_tls(pair.certificate, pair.key, authorities),
        authenticators,
        certificates=certificates,
        nodes=nodes,
        front_proxy=front_proxy.issue_client(FRONT_PROXY),
        issuer=issuer,
        auditor=Auditor.open(settings.audit) if settings.audit else None,
        host=settings.address,
        port=settings.api_port,
        concurrency=settings.concurrency,
        figures=figures,
    )


async def _open_store(settings: Settings) -> Store:
    if not settings.etcd:
        return await EmbeddedStore.open(settings.data_dir / "store.db")
    from master.store.etcd import EtcdStore  # grpc's etcd messages, for who uses etcd

    return await EtcdStore.open(settings.etcd)


async def _admit(registry: Registry, text: str) -> None:
    """Make a join token good for the next hour."""
    token = BootstrapToken.parse(text)
    secret = to_secret(token, datetime.now(UTC) + JOIN_TOKEN_LIFETIME, description="given at the master's start")
    try:
        await registry.create(component("apiserver"), core_v1.Secret, secret.metadata.namespace or "", secret)
    except AlreadyExists:
        log.info("the join token %s is there already", token.id)


def _own_addresses() -> list[str]:
    """The IPv4 addresses by which this machine is reached from others, the one that leads out first."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing: it only makes the kernel choose the address that leads out.
            probe.connect(("192.0.2.1", 9))
            out = [str(probe.getsockname()[0])]
        except OSError:
            out = []
    named = [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return list(dict.fromkeys(address for address in out + named if not address.startswith("127.")))
