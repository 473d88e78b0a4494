"""The API without HTTP: every verb for every kind. HTTP handlers, controllers and the dispatcher all come in here."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from master.registry import resources
from master.registry.admission import base as admission
from master.registry.admission.functions import Functions
from master.registry.authz.base import Attributes, Authorizer, ReadsObjects
from master.registry.base import DeleteOptions, ListOptions, ListResult, Resource, Result, User, Verb, WriteOptions
from master.registry.bodies import APPLY_PATCH, Body
from master.registry.core import AnyCache, Clock, Core, new_uid
from master.registry.custom.serving import CustomResources
from master.registry.deletion import Deleter
from master.registry.faces import Face
from master.registry.forms import Forms
from master.registry.listing import Lister
from master.registry.objects import Call, Explainer, Reader
from master.registry.seen import Seen
from master.registry.strategy import AnyStrategy
from master.registry.subresources import TokenMinter, TokenVerifier
from master.registry.usage import UsageSource
from master.registry.virtual import Virtuals
from master.registry.watching import Watcher, WatchFrames
from master.store.base import (
    Compacted,
    Corrupt,
    NoSpace,
    OutcomeUnknown,
    Store,
    StoreError,
    TooLarge,
    Unavailable,
)
from timonel.api.errors import (
    Expired,
    InternalError,
    NoSuchMethod,
    NotFound,
    RequestEntityTooLarge,
    ServiceUnavailable,
    Timeout,
)
from timonel.api.time import utc_now

Kind = Resource | type[Any]

DELETES_AT_ONCE = 16
"""How many objects of a collection are being deleted at a time."""


class Registry:
    """All verbs, for one user at a time: ``(who, resource, namespace, ...)``; each authorises first.

    A resource is named by its `Resource` or its Struct. Bodies are JSON bytes or Structs; a Struct stays the caller's.
    """

    def __init__(
        self,
        store: Store,
        authorizer: Authorizer,
        *,
        clock: Clock = utc_now,
        uid: Callable[[], str] = new_uid,
        chain: admission.Chain | None = None,
    ) -> None:
        self.troubled: datetime | None = None
        """When the store last did not do its work."""
        self.resources = resources.Resources(resources.load().values())
        self.core = Core(store, self.resources, authorizer, chain or admission.load(), clock, uid)
        if isinstance(authorizer, ReadsObjects):
            authorizer.use(self.core)
        self._lister = Lister(self.core)
        self._watcher = Watcher(self.core)
        self._deleter = Deleter(self.core)
        self._forms = Forms(self.core, self._deleter)
        self._virtuals = Virtuals(self.core)
        self._custom = CustomResources(self.core)

    async def start(self) -> None:
        """Load the caches; until then no verb works."""
        with self._asking_store():
            await self.core.start()
            await self._custom.start()

    async def close(self) -> None:
        """Stop the caches; watches end. Idempotent."""
        await self._custom.close()
        await self.core.close()
        await self.core.admission.close()

    # What others may look at

    @property
    def reader(self) -> Reader:
        """Cached objects, read-only."""
        return self.core

    def cache(self, kind: Kind) -> AnyCache:
        """The watch cache of a stored resource; informers listen to it."""
        return self.core.cache(self.resources.stored(self.resources.of(kind)))

    def on_kinds(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` whenever kinds have come, their caches loaded, or gone; gives what undoes that."""
        return self.core.on_kinds(listener)

    def strategy(self, kind: Kind) -> AnyStrategy:
        """The rules of a resource: its verbs, columns and subresources."""
        return self.core.strategy(self.resources.of(kind))

    def authorize(self, asked: Attributes) -> None:
        """Refuse what is not allowed; for what is no verb of the registry: paths, streams.

        Raises:
            Forbidden: it is not.
        """
        self.core.authorize(asked)

    def use_usage(self, usage: UsageSource) -> None:
        """Let metrics.k8s.io tell of this usage; without it, it tells nothing."""
        self.core.sources.usage = usage

    def use_explainer(self, explainer: Explainer) -> None:
        """Let ``explainer`` answer why a pod is where it is."""
        self.core.sources.explainer = explainer

    def use_minter(self, minter: TokenMinter) -> None:
        """Let ``minter`` sign ServiceAccount tokens; without one the token subresource is unavailable."""
        self.core.minter = minter

    def use_verifier(self, verifier: TokenVerifier) -> None:
        """Let ``verifier`` answer TokenReviews; without one they are unavailable."""
        self.core.verifier = verifier

    async def use_functions(self, folder: Path | None, report: Callable[[str, str], None]) -> None:
        """Let the plugin functions in a folder and behind entry points take part in admission; ``report`` is told
        which of them fails, and why.
        """
        functions = self.core.admission.find(Functions)
        if functions is not None:
            await functions.use(folder, report)

    # Reading

    async def get(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        name: str,
        *,
        resource_version: str | None = None,
        subresource: str = "",
    ) -> Result:
        """One object: the newest, or with a ``resource_version`` one at least as new ("0": any).

        Raises:
            NotFound, Forbidden, Timeout: the state asked for is not reached.
        """
        call = self._call(who, Verb.GET, resource, namespace, name, subresource)
        with self._asking_store():
            if self._is_virtual(call):
                return Result(self._virtuals.get(call))
            item = await self._lister.get(call, resource_version)
        if item is None:
            raise NotFound(call.resource.group_resource, name)
        return _seen(call, self._forms.shown(call, item.raw, item))

    async def list(self, who: User, resource: Kind, namespace: str, options: ListOptions = ListOptions()) -> ListResult:  # noqa: B008
        """A page of objects, of all namespaces where ``namespace`` is empty.

        Raises:
            Expired: the state that a continue token or resourceVersion asks for is no longer known.
        """
        call = self._call(who, Verb.LIST, resource, namespace, fields=options.field_selector)
        with self._asking_store():
            if self._is_virtual(call):
                return self._virtuals.list(call, options)
            if call.face is None:
                return await self._lister.list(call, options)
            seen = Seen(call.face)
            return seen.list(await self._lister.list(call, seen.options(options)))

    async def watch(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        options: ListOptions = ListOptions(),  # noqa: B008
    ) -> AsyncGenerator[WatchFrames, None]:
        """Changes in batches, until ``timeout_seconds`` are over or the generator is closed.

        Raises:
            Expired: the revision to begin after, or a slow reader, has fallen behind what is kept.
        """
        call = self._call(who, Verb.WATCH, resource, namespace, fields=options.field_selector)
        seen = Seen(call.face) if call.face else None
        with self._asking_store():
            async with aclosing(self._watcher.watch(call, seen.options(options) if seen else options)) as batches:
                async for frames in batches:
                    yield seen.frames(frames) if seen else frames

    # Writing

    async def create(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        body: Body,
        options: WriteOptions = WriteOptions(),  # noqa: B008
        *,
        name: str = "",
        subresource: str = "",
    ) -> Result:
        """Create an object, or carry out an action such as a pod's binding.

        Raises:
            AlreadyExists, Invalid, BadRequest, Forbidden.
        """
        call = self._call(who, Verb.CREATE, resource, namespace, name, subresource, options)
        with self._asking_store():
            return _seen(call, await self._forms.create(call, body, options))

    async def update(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        name: str,
        body: Body,
        options: WriteOptions = WriteOptions(),  # noqa: B008
        *,
        subresource: str = "",
    ) -> Result:
        """Replace an object, or the part of it that a subresource stands for.

        Raises:
            NotFound, Conflict, Invalid, BadRequest, Forbidden.
        """
        call = self._call(who, Verb.UPDATE, resource, namespace, name, subresource, options)
        with self._asking_store():
            return _seen(call, await self._forms.update(call, body, options))

    async def patch(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        name: str,
        patch_type: str,
        body: bytes,
        options: WriteOptions = WriteOptions(),  # noqa: B008
        *,
        subresource: str = "",
    ) -> Result:
        """Patch an object; ``patch_type`` is the media type. An apply patch is server-side apply and may create.

        Raises:
            NotFound, Conflict, Invalid, BadRequest, Forbidden, UnsupportedMediaType.
        """
        call = self._call(who, Verb.PATCH, resource, namespace, name, subresource, options)
        with self._asking_store():
            if patch_type == APPLY_PATCH:
                return _seen(call, await self._forms.apply(call, body, options))
            return _seen(call, await self._forms.patch(call, patch_type, body, options))

    async def apply(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        name: str,
        body: bytes,
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> Result:
        """Server-side apply: `patch` with an apply patch, JSON."""
        return await self.patch(who, resource, namespace, name, APPLY_PATCH, body, options, subresource=subresource)

    async def delete(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        name: str,
        options: DeleteOptions = DeleteOptions(),  # noqa: B008
    ) -> Result:
        """Delete an object; ``Result.deleted`` is False while grace or finalizers keep it.

        Raises:
            NotFound, Conflict: a precondition does not hold, Forbidden.
        """
        call = self._call(who, Verb.DELETE, resource, namespace, name, options=options)
        with self._asking_store():
            return _seen(call, await self._deleter.delete(call, options))

    async def delete_collection(
        self,
        who: User,
        resource: Kind,
        namespace: str,
        options: DeleteOptions = DeleteOptions(),  # noqa: B008
        selection: ListOptions = ListOptions(),  # noqa: B008
    ) -> ListResult:
        """Delete what ``selection`` chooses; gives the objects as they were."""
        call = self._call(who, Verb.DELETECOLLECTION, resource, namespace, options=options)
        with self._asking_store():
            seen = Seen(call.face) if call.face else None
            chosen = await self._lister.list(call, seen.options(selection) if seen else selection)
            for start in range(0, len(chosen.items), DELETES_AT_ONCE):
                batch = chosen.items[start : start + DELETES_AT_ONCE]
                await asyncio.gather(*(self._deleter.delete_listed(call, raw, options) for raw in batch))
        return seen.list(chosen) if seen else chosen

    async def connect(
        self, who: User, resource: Resource, namespace: str, name: str, subresource: str, options: dict[str, Any]
    ) -> None:
        """Have admission judge a stream before it begins; whoever serves it has authorised it.

        Args:
            options: of the stream, as a document of the subresource's kind.
        """
        sub = next((sub for sub in self.core.strategy(resource).subresources if sub.name == subresource), None)
        call = Call(who, Verb.CONNECT, resource, namespace, name, subresource, sub, now=self.core.now())
        head = {"kind": sub.gvk.kind, "apiVersion": sub.gvk.api_version} if sub and sub.gvk else {}
        with in_api_words():
            await self.core.admission.validate(
                admission.Attributes(call, head | options, None, self.core, self.core.authorizer)
            )

    # Helpers

    def _call(
        self,
        who: User,
        verb: Verb,
        kind: Kind,
        namespace: str,
        name: str = "",
        subresource: str = "",
        options: WriteOptions | DeleteOptions | None = None,
        fields: str = "",
    ) -> Call:
        """The call, authorised and known to be served."""
        resource = self.resources.of(kind)
        self.core.authorize(Attributes(who, verb, resource, subresource, namespace, name, field_selector=fields))
        strategy = self.core.strategy(resource)
        sub = self._forms.subresource(resource, subresource, verb) if subresource else None
        if sub is None and verb not in strategy.verbs:
            raise NoSuchMethod
        return Call(
            user=who,
            verb=verb,
            resource=self.resources.stored(resource),
            face=strategy if isinstance(strategy, Face) else None,
            namespace=namespace if resource.namespaced else "",
            name=name,
            subresource=subresource,
            sub=sub,
            dry_run=options.dry_run if options else False,
            field_manager=options.field_manager if isinstance(options, WriteOptions) else "",
            options=options,
            now=self.core.now(),
        )

    @contextmanager
    def _asking_store(self) -> Iterator[None]:
        """Turn the store's errors into the API's, and note when it did not do its work."""
        with in_api_words():
            try:
                yield
            except (NoSpace, OutcomeUnknown, Unavailable):
                self.troubled = self.core.clock()
                raise

    def _is_virtual(self, call: Call) -> bool:
        return self.core.strategy(call.resource).virtual is not None


def _seen(call: Call, result: Result) -> Result:
    """A result as the kind that the caller speaks of."""
    return Seen(call.face).result(result) if call.face else result


@contextmanager
def in_api_words() -> Iterator[None]:
    """Turn the store's errors into the API's."""
    try:
        yield
    except Compacted as error:
        raise Expired(f"The resourceVersion for the provided list is too old: {error}") from error
    except OutcomeUnknown as error:
        raise Timeout(f"the store has not answered; the write may or may not have been applied: {error}") from error
    except NoSpace as error:
        raise ServiceUnavailable(f"nothing was written: {error}, then try again") from error
    except Unavailable as error:
        raise ServiceUnavailable(f"the store cannot be reached: {error}") from error
    except TooLarge as error:
        raise RequestEntityTooLarge(str(error)) from error
    except (Corrupt, StoreError) as error:
        raise InternalError(str(error)) from error
