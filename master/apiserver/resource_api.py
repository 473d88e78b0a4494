"""Serves resource paths: each method becomes a verb of the registry, each result an answer."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from master.apiserver import bodies, options, responses, watching
from master.apiserver.asked import verb_of
from master.apiserver.audit import record as audit
from master.apiserver.lifetimes import Lifetimes
from master.apiserver.metrics import WatchMetrics
from master.apiserver.negotiation import OBJECTS, PROTOBUF, STREAM, YAML, Choice, Form, Offers, choose, offers
from master.apiserver.paths import Target
from master.apiserver.protobuf import encode
from master.apiserver.protobuf.layout import struct_of
from master.apiserver.tables import (
    INCLUDE_OBJECT,
    TableOptions,
    TableWriter,
    metadata_list_kind,
    partial_metadata,
    plain_list,
)
from master.registry.base import ListOptions, ListResult, Resource, Result, User, Verb, WriteOptions
from master.registry.bodies import APPLY_PATCH, PATCH_TYPES
from master.registry.verbs import Registry
from master.registry.watching import Frame, WatchFrames
from timonel.api import codec, fields
from timonel.api.errors import BadRequest, NoSuchMethod, NoSuchPath, NotAcceptable, UnsupportedMediaType
from timonel.api.types import meta_v1

ONE = frozenset({Form.PLAIN, Form.TABLE, Form.METADATA})
MANY = frozenset({Form.PLAIN, Form.TABLE, Form.METADATA_LIST})
WRITTEN = frozenset({Form.PLAIN, Form.METADATA})

MANY_EVENTS = 100
"""More events at once are written in a thread, so that others are served meanwhile."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a resource."""

    http: web.BaseRequest
    who: User
    resource: Resource
    target: Target


class ResourceApi:
    """The verbs over HTTP, for any resource of the registry."""

    def __init__(self, registry: Registry, lifetimes: Lifetimes) -> None:
        self._registry = registry
        self._lifetimes = lifetimes

    def find(self, target: Target) -> Resource:
        """The resource that a path names.

        Raises:
            NoSuchPath: there is none, or it is not served at this scope.
        """
        resource = self._registry.resources.find(target.group, target.version, target.resource)
        if resource is None:
            raise NoSuchPath
        if target.namespace and not resource.namespaced:
            raise NoSuchPath
        if target.name and resource.namespaced and not target.namespace:
            raise NoSuchPath
        if target.subresource and not self._has(resource, target.subresource):
            raise NoSuchPath
        return resource

    async def serve(self, asked: Asked) -> web.StreamResponse:
        """Answer a request for a resource, with a warning where its version is deprecated."""
        response = await self._serve(asked)
        deprecation = self._registry.strategy(asked.resource).deprecation
        if deprecation and not response.prepared:
            response.headers.add("Warning", responses.warning_header(deprecation))
        return response

    async def _serve(self, asked: Asked) -> web.StreamResponse:
        match _verb(asked):
            case Verb.GET:
                return await self._get(asked)
            case Verb.LIST:
                return await self._list(asked)
            case Verb.WATCH:
                return await self._watch(asked)
            case Verb.CREATE:
                return await self._create(asked)
            case Verb.UPDATE:
                return await self._update(asked)
            case Verb.PATCH:
                return await self._patch(asked)
            case Verb.DELETE:
                return await self._delete(asked)
            case Verb.DELETECOLLECTION:
                return await self._delete_collection(asked)
        raise NoSuchMethod

    # Reading

    async def _get(self, asked: Asked) -> web.Response:
        choice = self._negotiate(asked, ONE if not asked.target.subresource else WRITTEN)
        result = await self._registry.get(
            asked.who,
            asked.resource,
            asked.target.namespace,
            asked.target.name,
            resource_version=asked.http.query.get("resourceVersion"),
            subresource=asked.target.subresource,
        )
        return await self._answer(asked, choice, result.raw)

    async def _list(self, asked: Asked) -> web.Response:
        choice = self._negotiate(asked, MANY)
        wanted = options.list_options(asked.http.query)
        result = await self._registry.list(asked.who, asked.resource, asked.target.namespace, wanted)
        return await self._answer_list(asked, choice, result)

    async def _watch(self, asked: Asked) -> web.StreamResponse:
        offered = offers(ONE, has_protobuf=self._has_protobuf(asked), watch=True)
        choice = negotiate(asked.http, offered, suffix=STREAM)
        wanted = options.list_options(asked.http.query)
        if asked.target.name:
            wanted = replace(wanted, field_selector=f"metadata.name={asked.target.name}")
        seconds = watching.lifetime(wanted.timeout_seconds)
        frames = self._frames(asked, choice, replace(wanted, timeout_seconds=seconds))
        return await watching.serve(asked.http, frames, choice.media_type, seconds, self._lifetimes)

    async def _frames(self, asked: Asked, choice: Choice, wanted: ListOptions) -> AsyncGenerator[bytes, None]:
        """The watch's events in the form that was chosen, one piece of bytes a batch."""
        writer = self._table_writer(asked, choice) if choice.form is Form.TABLE else None
        write = watching.WRITERS[choice.media_type]
        headers = True
        batches = self._registry.watch(asked.who, asked.resource, asked.target.namespace, wanted)
        counted = WatchMetrics(asked.target)
        async with aclosing(batches):
            async for batch in batches:
                counted.sent(len(frame.raw) for frame in batch)
                if writer:
                    lines = [_table_event(frame, writer, headers=headers and not at) for at, frame in enumerate(batch)]
                    headers = False
                    yield b"".join(lines)
                elif choice.form is Form.METADATA:
                    yield await _joined(
                        batch, lambda frame: write(frame.type, partial_metadata(frame.raw, choice.version))
                    )
                elif choice.media_type == PROTOBUF:
                    yield await _joined(batch, lambda frame: write(frame.type, frame.raw))
                else:
                    yield b"".join([frame.line for frame in batch])

    # Writing

    async def _create(self, asked: Asked) -> web.Response:
        choice = self._negotiate(asked, WRITTEN)
        wanted = options.write_options(asked.http.query, "CreateOptions", default_manager=_manager(asked))
        body, wanted = await _json_body(asked, wanted)
        target = asked.target
        result = await self._registry.create(
            asked.who, asked.resource, target.namespace, body, wanted, name=target.name, subresource=target.subresource
        )
        return await self._answer(asked, choice, result.raw, code=201, warnings=result.warnings)

    async def _update(self, asked: Asked) -> web.Response:
        choice = self._negotiate(asked, WRITTEN)
        wanted = options.write_options(asked.http.query, "UpdateOptions", default_manager=_manager(asked))
        body, wanted = await _json_body(asked, wanted)
        target = asked.target
        result = await self._registry.update(
            asked.who, asked.resource, target.namespace, target.name, body, wanted, subresource=target.subresource
        )
        return await self._answer(asked, choice, result.raw, code=_created(result), warnings=result.warnings)

    async def _patch(self, asked: Asked) -> web.Response:
        choice = self._negotiate(asked, WRITTEN)
        kind = bodies.named_type(asked.http)
        if kind not in PATCH_TYPES and asked.resource.struct is not None:
            raise UnsupportedMediaType
        applies = kind == APPLY_PATCH
        manager = "" if applies else _manager(asked)
        wanted = options.write_options(asked.http.query, "PatchOptions", apply=applies, default_manager=manager)
        body = await bodies.read(asked.http)
        if applies:
            body, repeated = bodies.to_json(body, YAML)
            wanted = replace(wanted, repeated_keys=repeated)
        audit.has_body(asked.http, body)
        target = asked.target
        result = await self._registry.patch(
            asked.who, asked.resource, target.namespace, target.name, kind, body, wanted, subresource=target.subresource
        )
        return await self._answer(asked, choice, result.raw, code=_created(result), warnings=result.warnings)

    async def _delete(self, asked: Asked) -> web.Response:
        choice = self._negotiate(asked, WRITTEN)
        wanted = options.delete_options(asked.http.query, await _delete_body(asked))
        target = asked.target
        result = await self._registry.delete(asked.who, asked.resource, target.namespace, target.name, wanted)
        if not result.deleted or asked.resource.shows_deleted:
            return await self._answer(asked, choice, result.raw, warnings=tuple(result.warnings))
        body = _deleted_status(asked, result)
        return await responses.answer(asked.http, body, media_type=choice.media_type, warnings=result.warnings)

    async def _delete_collection(self, asked: Asked) -> web.Response:
        choice = self._negotiate(asked, MANY)
        wanted = options.delete_options(asked.http.query, await _delete_body(asked))
        selection = options.list_options(asked.http.query)
        result = await self._registry.delete_collection(
            asked.who, asked.resource, asked.target.namespace, wanted, selection
        )
        return await self._answer_list(asked, choice, result)

    # Helpers

    def _has(self, resource: Resource, subresource: str) -> bool:
        return any(sub.name == subresource for sub in self._registry.strategy(resource).subresources)

    def _negotiate(self, asked: Asked, forms: frozenset[Form]) -> Choice:
        return negotiate(asked.http, offers(forms, has_protobuf=self._has_protobuf(asked)))

    def _has_protobuf(self, asked: Asked) -> bool:
        """Whether what is answered is of a kind of Kubernetes' own, all of which have a protobuf form."""
        struct = asked.resource.struct
        if asked.target.subresource:
            subresources = self._registry.strategy(asked.resource).subresources
            struct = next((sub.struct for sub in subresources if sub.name == asked.target.subresource), None) or struct
        return struct is not None and struct_of(struct.gvk.api_version, struct.gvk.kind) is struct

    async def _answer_list(self, asked: Asked, choice: Choice, result: ListResult) -> web.Response:
        """Many objects in the form that was chosen."""
        gvk, items, meta = asked.resource.list_gvk, result.items, list_meta(result)
        if choice.form is Form.TABLE:
            body = self._table_writer(asked, choice).table(items, meta)
            return await responses.answer(asked.http, body, media_type=choice.media_type)
        if choice.form is Form.METADATA_LIST:
            gvk = metadata_list_kind(choice.version)
            items = [partial_metadata(raw, choice.version) for raw in items]
        if choice.media_type == PROTOBUF:
            body = await asyncio.to_thread(encode.listing, gvk, items, meta)
            return await responses.ready(asked.http, body, content_type=PROTOBUF)
        return await responses.answer(asked.http, plain_list(gvk, items, meta), media_type=choice.media_type)

    async def _answer(
        self, asked: Asked, choice: Choice, raw: bytes, *, code: int = 200, warnings: tuple[str, ...] = ()
    ) -> web.Response:
        """One object in the form that was chosen."""
        if choice.form is Form.TABLE:
            raw = self._table_writer(asked, choice).table([raw], _object_list_meta(raw))
        elif choice.form is Form.METADATA:
            raw = partial_metadata(raw, choice.version)
        return await responses.answer(asked.http, raw, code=code, media_type=choice.media_type, warnings=warnings)

    def _table_writer(self, asked: Asked, choice: Choice) -> TableWriter:
        include = asked.http.query.get("includeObject") or "Metadata"
        if include not in INCLUDE_OBJECT:
            problem = fields.invalid("includeObject", include, "must be 'Metadata', 'Object', 'None', or empty")
            raise BadRequest(f"Unable to convert to Table as requested: {problem}")
        strategy = self._registry.strategy(asked.resource)
        decode = partial(codec.decode_stored, asked.resource.struct or dict)
        return TableWriter(strategy.columns, decode, TableOptions(choice.version, include), self._registry.core.clock)


def _verb(asked: Asked) -> str:
    """The verb of a request.

    Raises:
        NoSuchMethod: there is none of that kind at its path.
    """
    target, verb = asked.target, verb_of(asked.http, asked.target)
    match verb:
        case Verb.CREATE | Verb.DELETECOLLECTION if not target.name:
            is_there = bool(target.namespace) or not asked.resource.namespaced
        case Verb.CREATE:
            is_there = bool(target.subresource)
        case Verb.WATCH | Verb.DELETE:
            is_there = not target.subresource
        case Verb.UPDATE | Verb.PATCH:
            is_there = bool(target.name)
        case _:
            is_there = asked.http.method != "HEAD"
    if not is_there or (target.watch and verb != Verb.WATCH):
        raise NoSuchMethod
    return verb


def negotiate(http: web.BaseRequest, offered: Offers = OBJECTS, *, suffix: str = "") -> Choice:
    """How to answer a request; `suffix` ends the media types where they are named.

    Raises:
        NotAcceptable: nothing that it accepts can be served.
    """
    choice = choose(http.headers.get("Accept", ""), offered)
    if choice is None:
        raise NotAcceptable(name + suffix for name in offered)
    return choice


def list_meta(result: ListResult) -> dict[str, Any]:
    """The metadata of a list."""
    meta: dict[str, Any] = {"resourceVersion": str(result.revision)}
    if result.continue_token:
        meta["continue"] = result.continue_token
    if result.remaining is not None:
        meta["remainingItemCount"] = result.remaining
    return meta


class _Versioned(msgspec.Struct):
    class Metadata(msgspec.Struct):
        name: str = ""
        uid: str = ""
        resourceVersion: str = ""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


_versioned = msgspec.json.Decoder(_Versioned)


def _object_list_meta(raw: bytes) -> dict[str, Any]:
    return {"resourceVersion": _versioned.decode(raw).metadata.resourceVersion}


async def _joined(batch: WatchFrames, write: Callable[[Frame], bytes]) -> bytes:
    def joined() -> bytes:
        return b"".join([write(frame) for frame in batch])

    return await asyncio.to_thread(joined) if len(batch) > MANY_EVENTS else joined()


def _table_event(frame: Frame, writer: TableWriter, *, headers: bool) -> bytes:
    rows = () if frame.item is None else (frame.raw,)
    return watching.json_event(frame.type, writer.table(rows, _object_list_meta(frame.raw), headers=headers))


def _manager(asked: Asked) -> str:
    return options.default_field_manager(asked.http.headers.get("User-Agent", ""))


async def _json_body(asked: Asked, wanted: WriteOptions) -> tuple[bytes, WriteOptions]:
    """The body as JSON, and the options with what that hides."""
    media = bodies.media_type(asked.http)
    body, repeated = bodies.to_json(await bodies.read(asked.http), media)
    audit.has_body(asked.http, body)
    return body, replace(wanted, repeated_keys=repeated) if repeated else wanted


async def _delete_body(asked: Asked) -> meta_v1.DeleteOptions | None:
    body = await bodies.read(asked.http)
    if not body:
        return None
    raw, _ = bodies.to_json(body, bodies.media_type(asked.http))
    audit.has_body(asked.http, raw)
    found = codec.decode(meta_v1.DeleteOptions, raw)
    if found.kind != "DeleteOptions":
        raise BadRequest("decoded object cannot be converted to DeleteOptions")
    return found


def _created(result: Result) -> int:
    return 201 if result.created else 200


def _deleted_status(asked: Asked, result: Result) -> bytes:
    meta = _versioned.decode(result.raw).metadata
    gvk = asked.resource.gvk
    details: Mapping[str, str] = {"name": meta.name, "group": gvk.group, "kind": asked.resource.plural, "uid": meta.uid}
    status = meta_v1.Status(
        status="Success",
        details=codec.convert(meta_v1.StatusDetails, {key: value for key, value in details.items() if value}),
    )
    return codec.encode(status)
