"""Serves the paths that are no resources: discovery, OpenAPI, version, health, metrics, the token keys."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from master import metrics
from master.apiserver import discovery, health, responses, version
from master.apiserver.health import Check
from master.apiserver.negotiation import JSON, OBJECTS, TEXTS, Form, Offers, accepts_gzip, parse_accept
from master.apiserver.openapi import gnostic
from master.apiserver.openapi.serving import OpenApi, Stored
from master.apiserver.resource_api import negotiate
from master.apiserver.served import GroupVersion, Served
from master.metrics import Metric
from master.serviceaccounts import TokenIssuer
from timonel.api.errors import NoSuchMethod, NoSuchPath, NotAcceptable

Page = Callable[[web.BaseRequest, list[str]], Awaitable[web.StreamResponse]]

_YEAR = 365 * 24 * 3600
_AGGREGATED = {
    "g": discovery.AGGREGATED_GROUP,
    "v": discovery.AGGREGATED_VERSION,
    "as": discovery.AGGREGATED_KIND,
}
"""The parameters of the aggregated document's media type."""


class Pages:
    """The pages, found by the first segment of their path."""

    def __init__(
        self,
        served: Served,
        checks: Mapping[str, Mapping[str, Check]],
        figures: Sequence[Metric],
        issuer: TokenIssuer | None,
    ) -> None:
        self._served = served
        self._checks = checks
        self._figures = figures
        self._issuer = issuer
        self._openapi = OpenApi(served, version.git_version())
        self._pages: dict[str, Page] = {
            "": self._root,
            "api": self._api,
            "apis": self._apis,
            "openapi": self._open_api,
            "version": self._version,
            "metrics": self._show_metrics,
            ".well-known": self._openid,
            "openid": self._openid,
            **dict.fromkeys(health.ENDPOINTS, self._health),
        }

    async def serve(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request for a page.

        Raises:
            NoSuchPath: there is no such page.
            NoSuchMethod: pages can only be read.
        """
        segments = http.path.strip("/").split("/")
        page = self._pages.get(segments[0])
        if page is None:
            raise NoSuchPath
        if http.method not in ("GET", "HEAD"):
            raise NoSuchMethod
        return await page(http, segments)

    async def _root(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        fixed = ("api", "apis", "version", *health.ENDPOINTS, "metrics", "openapi/v2", "openapi/v3")
        paths = sorted(f"/{path}" for path in (*fixed, *self._served.by_path))
        return await self._document(http, {"paths": paths})

    # Discovery

    async def _api(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        if len(segments) > 1:
            return await self._resources(http, "/".join(segments))
        core = self._served.groups.get("")
        aggregated = await self._aggregated(http, [core] if core else [])
        return aggregated or await self._document(http, discovery.core_versions(self._served.groups), OBJECTS)

    async def _apis(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        match segments:
            case [_]:
                aggregated = await self._aggregated(http, discovery.named_groups(self._served.groups))
                return aggregated or await self._document(http, discovery.group_list(self._served.groups), OBJECTS)
            case [_, name]:
                found = discovery.group(self._served.groups, name)
                if found is None:
                    raise NoSuchPath
                return await self._document(http, found, OBJECTS)
        return await self._resources(http, "/".join(segments))

    async def _resources(self, http: web.BaseRequest, path: str) -> web.StreamResponse:
        gv = self._served.by_path.get(path)
        if gv is None:
            raise NoSuchPath
        return await self._document(http, discovery.resource_list(gv), OBJECTS)

    async def _aggregated(
        self, http: web.BaseRequest, groups: list[tuple[GroupVersion, ...]]
    ) -> web.StreamResponse | None:
        """The aggregated document when the client prefers it; its tag lets clients keep it."""
        if not _wants_aggregated(http.headers.get("Accept", "")):
            return None
        body = msgspec.json.encode(discovery.aggregated(groups))
        etag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
        headers = {"ETag": etag, "Vary": "Accept", "Cache-Control": "public"}
        if http.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        content_type = f"{JSON};" + ";".join(f"{key}={value}" for key, value in _AGGREGATED.items())
        return await responses.answer(http, body, content_type=content_type, headers=headers)

    # OpenAPI

    async def _open_api(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        match segments[1:]:
            case ["v2"]:
                return await self._v2(http)
            case ["v3"]:
                return await responses.answer(http, msgspec.json.encode(self._openapi.index()))
            case ["v3", *rest]:
                return await self._v3(http, "/".join(rest))
        raise NoSuchPath

    async def _v2(self, http: web.BaseRequest) -> web.StreamResponse:
        for clause in parse_accept(http.headers.get("Accept", "*/*")):
            if clause.matches(JSON):
                return _stored(http, await self._openapi.v2(), {})
            if clause.matches(gnostic.MEDIA_TYPE):
                document = await self._openapi.v2_protobuf()
                return _stored(http, document, {"Content-Type": gnostic.CONTENT_TYPE})
        raise NotAcceptable((JSON, gnostic.MEDIA_TYPE))

    async def _v3(self, http: web.BaseRequest, path: str) -> web.StreamResponse:
        document = await self._openapi.v3(path)
        if document is None:
            raise NoSuchPath
        asked = http.query.get("hash")
        if asked is None:
            return _stored(http, document, {})
        if asked != document.etag:
            return web.Response(status=301, headers={"Location": f"/openapi/v3/{path}?hash={document.etag}"})
        return _stored(http, document, {"Cache-Control": f"public, immutable, max-age={_YEAR}"})

    # The others

    async def _version(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        if len(segments) > 1:
            raise NoSuchPath
        return await self._document(http, version.document(), {JSON: frozenset(Form)})  # whatever form is asked for

    async def _health(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        endpoint, only = segments[0], "/".join(segments[1:])
        verdict = await health.judge(endpoint, self._checks[endpoint], http.query, only)
        if verdict is None:
            raise NoSuchPath
        code = 200 if verdict.healthy else 500
        return web.Response(status=code, text=verdict.text, headers={"Cache-Control": "no-cache, private"})

    async def _show_metrics(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        text = metrics.render(self._figures)
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _openid(self, http: web.BaseRequest, segments: list[str]) -> web.StreamResponse:
        if self._issuer is None:
            raise NoSuchPath
        match segments:
            case ["openid", "v1", "jwks"]:
                return await self._public(http, self._issuer.jwks(), "application/jwk-set+json")
            case [".well-known", "openid-configuration"]:
                document = self._issuer.discovery(f"{self._issuer.issuer}/openid/v1/jwks")
                return await self._public(http, document, "application/json")
        raise NoSuchPath

    async def _public(
        self, http: web.BaseRequest, document: Mapping[str, Any], content_type: str
    ) -> web.StreamResponse:
        """What whoever verifies tokens may keep for an hour."""
        headers = {"Cache-Control": "public, max-age=3600"}
        return await responses.ready(http, msgspec.json.encode(document), content_type=content_type, headers=headers)

    async def _document(
        self, http: web.BaseRequest, document: Mapping[str, Any], offered: Offers = TEXTS
    ) -> web.StreamResponse:
        choice = negotiate(http, offered)
        return await responses.answer(http, msgspec.json.encode(document), media_type=choice.media_type)


def _wants_aggregated(accept: str) -> bool:
    """Whether the client would have the aggregated document rather than another."""
    for clause in parse_accept(accept):
        if clause.matches(JSON) and _AGGREGATED.items() <= clause.parameters.items():
            return True
        if "as" not in clause.parameters and any(map(clause.matches, OBJECTS)):
            return False
    return False


def _stored(http: web.BaseRequest, document: Stored, headers: Mapping[str, str]) -> web.Response:
    etag = f'"{document.etag}"'
    vary = {"Vary": "Accept, Accept-Encoding", "Cache-Control": "no-cache, private"}
    common = {"ETag": etag, "Content-Type": JSON, **vary, **headers}
    if http.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=common)
    if accepts_gzip(http.headers.get("Accept-Encoding", "")):
        return web.Response(body=document.compressed, headers={"Content-Encoding": "gzip", **common})
    return web.Response(body=document.plain, headers=common)
