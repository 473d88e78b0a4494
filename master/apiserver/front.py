"""Every request comes through here: who asks, what for, and what becomes of errors."""

import asyncio
import logging
import time
import uuid

from aiohttp import ClientPayloadError, web

from master.apiserver import paths, responses
from master.apiserver.authn.base import Authenticator, Credentials, bearer_token
from master.apiserver.metrics import Metrics
from master.apiserver.pages import OPEN_TO_ALL, Pages
from master.apiserver.resource_api import Asked, ResourceApi
from master.apiserver.streams.api import StreamApi
from master.registry.authz.base import Attributes
from master.registry.base import ANONYMOUS, User
from master.registry.verbs import Registry
from timonel.api.errors import BadRequest, InternalError, StatusError, Unauthorized

log = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
UNKNOWN = frozenset({401, 404})
"""Codes of requests whose path may be anything, and is no label of a metric for that reason."""


class Front:
    """The one handler of the HTTP server."""

    def __init__(
        self,
        registry: Registry,
        authenticator: Authenticator,
        resources: ResourceApi,
        streams: StreamApi,
        pages: Pages,
        metrics: Metrics,
    ) -> None:
        self._registry = registry
        self._authenticator = authenticator
        self._resources = resources
        self._streams = streams
        self._pages = pages
        self._metrics = metrics

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request. Whatever goes wrong becomes a Status; only the client's leaving cancels."""
        started = time.monotonic()
        target = paths.parse(http.rel_url.raw_path)
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
        is_long = response.status == 101 or response.chunked
        seconds = None if is_long else time.monotonic() - started
        known = target is not None and response.status not in UNKNOWN
        method = http.method if http.method in METHODS else "other"
        self._metrics.observe(method, target.resource if target and known else "", response.status, seconds)
        return response

    async def _serve(self, http: web.BaseRequest, target: paths.Target | None) -> web.StreamResponse:
        who = await self._who(http)
        if target is None:
            self._registry.authorize(Attributes(who, http.method.lower(), path=http.path))
            return await self._pages.serve(http)
        resource = self._resources.find(target)
        if self._streams.serves(resource, target):
            return await self._streams.serve(http, who, resource, target)
        return await self._resources.serve(Asked(http, who, resource, target))

    async def _who(self, http: web.BaseRequest) -> User:
        """The sender of a request.

        Raises:
            Unauthorized: there are no credentials, and the path needs some; or they are bad.
        """
        certificate = http.transport.get_extra_info("peercert") if http.transport else None
        bearer = bearer_token(http.headers.get("Authorization", ""))
        user = await self._authenticator.authenticate(Credentials(certificate, bearer))
        if user is not None:
            return user
        if http.path.strip("/").partition("/")[0] in OPEN_TO_ALL:
            return ANONYMOUS
        raise Unauthorized
