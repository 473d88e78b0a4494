"""Which write a request is, by its subresource, and how its body becomes an object."""

from typing import Any

import msgspec

from master.registry import bodies, metadata
from master.registry.admission.base import Attributes
from master.registry.authz.base import Authorizer
from master.registry.base import DeleteOptions, Resource, Result, Verb, WriteOptions
from master.registry.bodies import Body
from master.registry.core import AnyItem, Core
from master.registry.deletion import Deleter
from master.registry.objects import Call, Reader
from master.registry.seen import Seen
from master.registry.subresources import (
    Action,
    Change,
    Connect,
    Part,
    Projection,
    Report,
    Subresource,
    TokenMinter,
    TokenVerifier,
)
from master.registry.write import Make, Plan, Writer, manager_of, refuse
from timonel.api import codec, managed_fields
from timonel.api.errors import BadRequest, Invalid, NoSuchMethod, NoSuchPath, UnsupportedMediaType
from timonel.api.fields import Path, required


class Forms:
    """The writing verbs for every form of request, without authorisation; also the `Actor` of actions."""

    def __init__(self, core: Core, deleter: Deleter) -> None:
        self._core = core
        self._deleter = deleter
        self._writer = Writer(core)

    def subresource(self, resource: Resource, name: str, verb: Verb) -> Subresource:
        """The subresource of that name.

        Raises:
            NoSuchPath: the kind has none of that name.
            NoSuchMethod: it does not know the verb.
        """
        for found in self._core.strategy(resource).subresources:
            if found.name == name:
                if verb not in found.verbs:
                    raise NoSuchMethod
                return found
        raise NoSuchPath

    def shown(self, call: Call, raw: bytes, item: AnyItem) -> Result:
        """What a get shows of the object."""
        sub = self._subresource(call)
        if isinstance(sub, Projection):
            return Result(codec.encode(sub.read(item.object)), item.revision)
        if isinstance(sub, Report):
            return Result(codec.encode(sub.report(self._core.sources, item.object)), item.revision)
        if sub is None or isinstance(sub, Part):
            return Result(raw, item.revision)
        raise NoSuchMethod

    async def create(self, call: Call, body: Body, options: WriteOptions) -> Result:
        """Create an object, or carry out an action."""
        sub = self._subresource(call)
        if sub is None:
            return await self._create(call, body, options)
        if not isinstance(sub, Action) or sub.struct is None:
            raise NoSuchMethod
        return await self._act(call, sub, bodies.decode(body, sub.struct, call, options))

    async def _create(self, call: Call, body: Body, options: WriteOptions) -> Result:
        struct = _struct(call, None)
        action = self._core.strategy(call.resource).performs
        if action is None:
            return await self._writer.create(
                call, lambda _: _kept(call, bodies.decode(body, struct, call, options), None), options
            )
        wanted = bodies.decode(body, struct, call, options)
        metadata.match_request(wanted, call)
        call.name = wanted.metadata.name or ""
        return await self._act(call, action, wanted)

    async def _act(self, call: Call, action: Action[Any], wanted: Any) -> Result:
        """Have what is sent to an action changed and judged, and do it; what it then does is not judged again."""
        metadata.match_namespace(wanted, call)
        action.prepare(call, wanted)
        attributes = Attributes(call, wanted, None, self._core, self._core.authorizer)
        await self._core.admission.mutate(attributes)
        await self._core.admission.validate(attributes)
        done = await action.run(self, call, wanted)
        return Result(codec.encode(done), created=True, warnings=tuple(call.warnings))

    async def update(self, call: Call, body: Body, options: WriteOptions) -> Result:
        """Replace the object, or a part of it."""
        sub = self._subresource(call)
        struct = _struct(call, sub)
        if isinstance(sub, Projection):
            return await self._project(call, sub, lambda _: bodies.decode(body, struct, call, options), options)
        creates = self._core.strategy(call.resource).create_on_update
        plan = Plan(
            lambda item: _kept(call, bodies.decode(body, struct, call, options), item),
            self._part(call, sub),
            creates=creates,
        )
        return await self._writer.update(call, plan, options)

    async def patch(self, call: Call, patch_type: str, body: bytes, options: WriteOptions) -> Result:
        """Patch the object, or a part of it; each attempt patches the newest state."""
        sub = self._subresource(call)
        struct = _struct(call, sub)
        accepted = bodies.patch_types(call.resource.struct)
        if patch_type not in accepted:
            raise UnsupportedMediaType(accepted)

        def make(view: Any) -> Any:
            changed = bodies.patched(view, patch_type, body, struct)
            faults = bodies.patch_faults(patch_type, body) if options.field_validation != "Ignore" else []
            return bodies.from_document(changed, struct, call, options, faults)

        if isinstance(sub, Projection):
            return await self._project(call, sub, lambda view: make(codec.to_document(view)), options)
        plan = Plan(lambda item: _kept(call, make(_document(call, item)), item), self._part(call, sub))
        return await self._writer.update(call, plan, options)

    async def apply(self, call: Call, body: bytes, options: WriteOptions) -> Result:
        """Server-side apply; creates where there is nothing."""
        sub = self._subresource(call)
        struct = _struct(call, sub)
        if not options.field_manager:
            fault = required(Path("fieldManager"), "is required for apply patch")
            raise Invalid("PatchOptions.meta.k8s.io", "", [fault])
        applied = _applied(body, struct)
        read_as = struct
        if call.face and struct is call.face.resource.struct:
            struct, applied = call.face.stored, Seen(call.face).applied(applied)

        def make(live: dict[str, Any] | None) -> Any:
            merged = managed_fields.apply(
                struct,
                live,
                applied,
                manager=manager_of(call, options),
                force=options.force,
                now=call.now,
                subresource=call.subresource,
                api_version=struct.gvk.api_version,
            )
            if options.field_validation != "Ignore":
                bodies.applied(body, read_as, call, options)
            return codec.convert(struct, merged)

        if isinstance(sub, Projection):
            return await self._project(call, sub, lambda view: make(codec.to_document(view)), options)
        plan = Plan(
            lambda item: make(codec.to_document(item.object) if item else None),
            self._part(call, sub),
            creates=sub is None,
            tracked=True,
        )
        return await self._writer.update(call, plan, options)

    # The Actor

    @property
    def reader(self) -> Reader:
        """See `Actor`."""
        return self._core

    @property
    def minter(self) -> TokenMinter | None:
        """See `Actor`."""
        return self._core.minter

    async def modify(self, call: Call, namespace: str, name: str, change: Change) -> Result:
        """See `Actor`."""

        def make(item: AnyItem | None) -> Any:
            assert item is not None  # the plan does not create
            obj = codec.copy(item.object)
            change(obj)
            return obj

        options = WriteOptions(dry_run=call.dry_run, field_manager=call.field_manager)
        return await self._writer.update(call, Plan(make, trusted=True), options)

    async def delete_object(self, call: Call, namespace: str, name: str, options: DeleteOptions) -> Result:
        """See `Actor`."""
        return await self._deleter.delete(call, options, admitted=True)

    @property
    def verifier(self) -> TokenVerifier | None:
        """See `Actor`."""
        return self._core.verifier

    @property
    def authorizer(self) -> Authorizer:
        """See `Actor`."""
        return self._core.authorizer

    # Helpers

    def _subresource(self, call: Call) -> Subresource | None:
        return self.subresource(call.resource, call.subresource, call.verb) if call.subresource else None

    def _part(self, call: Call, sub: Subresource | None) -> Part[Any] | None:
        if sub is None or isinstance(sub, Part):
            return sub
        raise NoSuchMethod

    async def _project(self, call: Call, sub: Projection[Any, Any], make_view: Make, options: WriteOptions) -> Result:
        """Change the object through another kind's eyes."""

        def make(item: AnyItem | None) -> Any:
            assert item is not None  # the plan does not create
            view = make_view(sub.read(item.object))
            metadata.match_request(view, call)
            metadata.match_state(view.metadata, item.object.metadata, item.revision, call)
            refuse(view, list(sub.validate(view)))
            obj = codec.copy(item.object)
            sub.write(view, obj)
            return obj

        done = await self._writer.update(call, Plan(make), options)
        assert call.resource.struct is not None  # a projection reads Structs
        return Result(
            codec.encode(sub.read(codec.decode_stored(call.resource.struct, done.raw))),
            done.revision,
            warnings=done.warnings,
        )


def _struct(call: Call, sub: Subresource | None) -> type[Any]:
    """The Struct of the request's bodies."""
    struct = (sub.struct if sub else None) or (call.face.resource if call.face else call.resource).struct
    if struct is None or isinstance(sub, Action | Connect):
        raise NoSuchMethod
    return struct


def _document(call: Call, item: AnyItem | None) -> Any:
    """The current object as plain JSON, as a patch sees it; also without an object a patch must fail as such."""
    if item is None:
        return {}
    return msgspec.json.decode(Seen(call.face).raw(item.raw)) if call.face else codec.to_document(item.object)


def _kept(call: Call, obj: Any, item: AnyItem | None) -> Any:
    """The stored form of a body's object, which is to follow ``item``: itself, but for that of a face."""
    face = call.face
    if face is None:
        return obj
    metadata.match_kind(obj)
    kept = face.put(obj)
    refuse(kept, list(face.validate(obj, face.show(item.object) if item else None)))
    return kept


def _applied(body: bytes, struct: type[Any]) -> dict[str, Any]:
    """What a server-side apply brings, with metadata."""
    try:
        document = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(f"error decoding apply patch: {error}") from None
    if not isinstance(document, dict):
        raise BadRequest("error decoding apply patch: it must be an object")
    version, kind, metadata = document.get("apiVersion"), document.get("kind"), document.get("metadata") or {}
    if not version or kind != struct.gvk.kind:
        version = version or ""
        shown = version if "/" in version else f"/{version}" if version else "/"
        raise BadRequest(f"invalid object type: {shown}, Kind={kind or ''}")
    if not isinstance(metadata, dict):
        raise BadRequest("error decoding apply patch: metadata must be an object")
    return document | {"metadata": metadata}
