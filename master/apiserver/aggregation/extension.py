"""One version of a group that another server serves: asking it what it is, and passing requests on to it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import ssl
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from master.apiserver.aggregation import discovered, swagger
from master.apiserver.aggregation.availability import PASSED, Verdict, failed_discovery, is_available
from master.apiserver.aggregation.discovered import Document
from master.apiserver.asked import verb_of
from master.apiserver.paths import Target
from master.apiserver.proxy.forwarding import Headers, Place, Server, request_headers
from master.apiserver.served import STALE, GroupVersion
from master.pki import KeyPair
from master.registry.authz.base import Attributes
from master.registry.base import Resource, User
from master.registry.verbs import Registry
from timonel.api.errors import ServiceUnavailable
from timonel.api.gvk import GVK
from timonel.api.types import apiregistration_v1 as v1

log = logging.getLogger(__name__)

ASK_SECONDS = 5.0
AGGREGATOR = User("system:kube-aggregator", groups=("system:masters", "system:authenticated"))
"""As whom this server asks extension servers what they serve."""
USER, UID, GROUP, EXTRA = "X-Remote-User", "X-Remote-Uid", "X-Remote-Group", "X-Remote-Extra-"
"""The headers that say for whom this server asks; it proves by its certificate that it may say so."""
_TOKEN = "!#$&'*+-.^_`|~"
"""What besides letters and digits a header's name may have, but for the percent sign."""


class Extension:
    """A version of a group, as an APIService names it.

    Args:
        api: the APIService, as it is now; replaced when it changes in other things than how its server is reached.
        server: its server.
        registry: who may ask it.
    """

    def __init__(self, api: v1.APIService, server: Server, registry: Registry) -> None:
        self.api = api
        self.found: Verdict | None = None
        """What the last look found."""
        self.serves: GroupVersion | None = None
        """What its server last said that it serves."""
        self.openapi: Document | None = None
        """Its server's OpenAPI 2 document."""
        self.openapi_url: str | None = None
        """Where on its server its OpenAPI 3 document is."""
        self._server = server
        self._registry = registry
        self._digest = b""

    @property
    def path(self) -> str:
        """Below which it serves: `apis/g/v`."""
        spec = self.api.spec
        return f"apis/{spec.group}/{spec.version}" if spec.group else f"api/{spec.version}"

    @property
    def shown(self) -> GroupVersion:
        """What discovery shows of it; while its server cannot be asked, that may be old."""
        spec = self.api.spec
        known = self.serves or GroupVersion(spec.group or "", spec.version or "", ())
        return known if is_available(self.api) else replace(known, freshness=STALE)

    async def close(self) -> None:
        """End the connections to its server."""
        await self._server.close()

    async def look(self) -> tuple[Verdict, bool]:
        """Ask the server what it serves: whether it can be asked, and whether what it serves has changed."""
        where = f"https://{self._host}/{self.path}"
        try:
            status, raw = await self._ask(f"/{self.path}")
            if not 200 <= status < 300:
                return failed_discovery(f"bad status from {where}: {status}"), False
            serves = discovered.group_version(self.api.spec.group or "", self.api.spec.version or "", raw)
            _, index = await self._ask("/openapi/v3")
        except (ServiceUnavailable, ValueError) as error:
            return failed_discovery(f"failing or missing response from {where}: {error}"), False
        digest = hashlib.sha256(raw + index).digest()
        if digest == self._digest:
            return PASSED, False
        self.serves = serves
        self.openapi_url = discovered.openapi_url(index, self.path)
        self.openapi = await self._openapi()
        self._digest = digest
        return PASSED, True

    async def openapi_v3(self) -> bytes | None:
        """Its OpenAPI 3 document; None when its server has none.

        Raises:
            ServiceUnavailable: the server does not answer.
        """
        if self.openapi_url is None:
            return None
        status, raw = await self._ask(self.openapi_url)
        return raw if status == 200 else None

    async def serve(self, http: web.BaseRequest, who: User, target: Target | None) -> web.StreamResponse:
        """Pass a request on, in the name of `who`.

        Raises:
            Forbidden: who may not ask that.
            ServiceUnavailable: the server does not answer.
        """
        self._registry.authorize(_attributes(http, who, target))
        if not is_available(self.api):
            return web.Response(status=503, text="service unavailable\n")
        headers = request_headers(http)
        headers["Host"] = self._host
        headers.extend(identity(who))
        place = Place((), http.rel_url.raw_path, http.rel_url.raw_query_string)
        return await self._server.forward(http, place, headers)

    @property
    def _host(self) -> str:
        service = self.api.spec.service or v1.ServiceReference()
        return f"{server_name(service)}:{service.port}"

    async def _ask(self, path: str) -> tuple[int, bytes]:
        headers: Headers = CIMultiDict({"Host": self._host, "Accept": "application/json"})
        headers.extend(identity(AGGREGATOR))
        return await self._server.get(path, headers, ASK_SECONDS)

    async def _openapi(self) -> Document | None:
        """Its OpenAPI 2 document; a server without one is as good as others."""
        try:
            status, raw = await self._ask("/openapi/v2")
            return swagger.read(raw) if status == 200 else None
        except (ServiceUnavailable, ValueError) as error:
            log.info("%s has no OpenAPI 2 document: %s", self.path, error)
            return None


def server_name(service: v1.ServiceReference) -> str:
    """The name that the certificate of a service's server must have."""
    return f"{service.name}.{service.namespace}.svc"


def identity(who: User) -> Headers:
    """A user as extension servers are told of it.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
    """
    headers: Headers = CIMultiDict({USER: who.name})
    if who.uid:
        headers[UID] = who.uid
    for group in who.groups:
        headers.add(GROUP, group)
    for key, values in who.extra.items():
        for value in values:
            headers.add(EXTRA + quote(key, safe=_TOKEN), value)
    return headers


def tls_of(spec: v1.APIServiceSpec, pair: KeyPair | None) -> ssl.SSLContext:
    """How an APIService's server is spoken to; `pair` is the certificate that this server shows it.

    Raises:
        ValueError: its caBundle is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if spec.insecureSkipTLSVerify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif spec.caBundle:
        try:
            context.load_verify_locations(cadata=base64.b64decode(spec.caBundle).decode("ascii"))
        except (binascii.Error, ssl.SSLError, UnicodeDecodeError) as error:
            raise ValueError(f"its caBundle is no certificate in PEM: {error}") from error
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if pair is not None:
        load_pair(context, pair)
    return context


def load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Let `context` show a certificate; the ssl module reads these from files only."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pair.pem"
        path.touch(mode=0o600)
        path.write_bytes(pair.certificate + b"\n" + pair.key)
        context.load_cert_chain(path)


def _attributes(http: web.BaseRequest, who: User, target: Target | None) -> Attributes:
    verb = verb_of(http, target)
    if target is None:
        return Attributes(who, verb, path=http.path)
    gvk = GVK(target.group, target.version, "")
    resource = Resource(gvk, target.resource, target.resource, namespaced=bool(target.namespace), struct=None)
    return Attributes(who, verb, resource, target.subresource, target.namespace, target.name)
