"""Every request comes through here: who asks, what for, and what becomes of errors."""

import asyncio
import logging
import re
import uuid

from aiohttp import ClientPayloadError, HttpVersion10, web

from master import tracing
from master.apiserver import impersonation, metrics, paths, responses
from master.apiserver.aggregation.aggregator import Aggregator
from master.apiserver.asked import verb_of
from master.apiserver.audit.record import AUDIT_ID, Auditor, Record, record_of
from master.apiserver.authn.base import Authenticator, Credentials, bearer_token
from master.apiserver.fairness import gate as fairness
from master.apiserver.fairness.gate import Gate
from master.apiserver.pages import Pages
from master.apiserver.resource_api import Asked, ResourceApi
from master.apiserver.streams.api import StreamApi
from master.registry.authz.base import Attributes
from master.registry.base import ANONYMOUS, User
from master.registry.verbs import Registry
from timonel.api.errors import BadRequest, InternalError, StatusError, Unauthorized

log = logging.getLogger(__name__)

OPEN_TO_ANYONE = frozenset({"/healthz", "/livez", "/readyz", "/version"})
"""Where who proves nothing is system:anonymous; elsewhere it is nobody, whatever roles say. The same can be had of
Kubernetes by anonymous authentication with conditions."""

_MALFORMED = re.compile("%(?![0-9a-fA-F]{2})")


class Front:
    """The one handler of the HTTP server."""

    def __init__(
        self,
        registry: Registry,
        authenticator: Authenticator,
        resources: ResourceApi,
        streams: StreamApi,
        aggregator: Aggregator,
        pages: Pages,
        gate: Gate,
        auditor: Auditor | None = None,
    ) -> None:
        self._registry = registry
        self._authenticator = authenticator
        self._resources = resources
        self._streams = streams
        self._aggregator = aggregator
        self._pages = pages
        self._gate = gate
        self._auditor = auditor

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request. Whatever goes wrong becomes a Status; only the client's leaving cancels."""
        target = paths.parse(http.rel_url.raw_path)
        with (
            tracing.request("KubernetesAPI", http.headers, method=http.method, path=http.path),
            metrics.Served(self._registry, http, target) as served,
        ):
            response = served.response = await self._answer(http, target)
            tracing.note(code=response.status)
            return response

    async def _answer(self, http: web.BaseRequest, target: paths.Target | None) -> web.StreamResponse:
        try:
            response = await self._serve(http, target)
        except StatusError as error:
            response = responses.failure(http, error)
        except (ConnectionError, ClientPayloadError, asyncio.IncompleteReadError):
            response = responses.failure(http, BadRequest("the request ended before its body was complete"))
        except Exception:
            incident = uuid.uuid4().hex[:12]
            log.exception("incident %s: %s %s", incident, http.method, http.path_qs)
            why = f"an error in the server; its log tells more of incident {incident}"
            response = responses.failure(http, InternalError(why))
            if (record := record_of(http)) is not None:
                record.panicked(why)
        except asyncio.CancelledError:
            record = record_of(http)
            if record is not None:
                record.abandoned()
            raise
        fairness.mark(http, response)
        self._written_down(http, response)
        return response

    async def _serve(self, http: web.BaseRequest, target: paths.Target | None) -> web.StreamResponse:
        if http.version < HttpVersion10:
            raise BadRequest("the request is no HTTP: its first line names no version")
        if _MALFORMED.search(http.rel_url.raw_path):
            raise BadRequest(f"the path {http.rel_url.raw_path} has a % without two hexadecimal digits after it")
        who = await self._acting_user(http, target)
        async with self._gate.turn(http, who, target):
            extension = self._aggregator.serving(http.path)
            if extension is not None:
                return await extension.serve(http, who, target)
            if target is None:
                self._registry.authorize(Attributes(who, http.method.lower(), path=http.path))
                return await self._pages.serve(http)
            resource = self._resources.find(target)
            if self._streams.serves(resource, target):
                return await self._streams.serve(http, who, resource, target)
            return await self._resources.serve(Asked(http, who, resource, target))

    async def _acting_user(self, http: web.BaseRequest, target: paths.Target | None) -> User:
        """As whom the sender of a request acts. From here on the request is in the audit log.

        Raises:
            Unauthorized: see `_who`.
            Forbidden: the sender may not act as the user that the headers name.
        """
        try:
            who = await self._who(http)
        except Unauthorized:
            self._begin_record(http, User(""), target)
            raise
        record = self._begin_record(http, who, target)
        wanted = impersonation.wanted(http.headers)
        if wanted is None:
            return who
        acting = impersonation.impersonate(self._registry, who, wanted)
        if record is not None:
            record.impersonates(acting)
        return acting

    async def _who(self, http: web.BaseRequest) -> User:
        """The sender of a request.

        Raises:
            Unauthorized: the credentials are bad, or there are none and the path needs some.
        """
        bearer = bearer_token(http.headers.get("Authorization", ""))
        try:
            user = await self._authenticator.authenticate(Credentials(_certificate(http), bearer, headers=http.headers))
        except Unauthorized:
            metrics.not_authenticated()
            raise Unauthorized from None  # Why a token is bad is for token reviews, not for who sends it.
        if user is None:
            if http.path not in OPEN_TO_ANYONE:
                raise Unauthorized
            return ANONYMOUS
        metrics.authenticated(user.name)
        return user

    # The audit log

    def _begin_record(self, http: web.BaseRequest, who: User, target: paths.Target | None) -> Record | None:
        if self._auditor is None:
            return None
        return self._auditor.begin(http, who, verb_of(http, target), target)

    def _written_down(self, http: web.BaseRequest, response: web.StreamResponse) -> None:
        record = record_of(http)
        if record is not None:
            if not response.prepared:
                response.headers[AUDIT_ID] = record.id
            record.complete(response)


def _certificate(http: web.BaseRequest) -> bytes:
    """The client's certificate, DER; empty if it showed none."""
    connection = http.transport.get_extra_info("ssl_object") if http.transport else None
    return (connection.getpeercert(binary_form=True) if connection else None) or b""
