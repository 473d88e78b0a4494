"""Writes: create, update, patch and apply, each by the guaranteed-update loop.

An attempt works out the new object from the newest known state and writes it on the condition that this state is still
current; a lost race begins the next attempt, from what won. The first attempt takes the state from the cache, which is
right but for races; an error found on a cached state is only believed after looking into the store.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from master.registry import metadata
from master.registry.admission.base import Attributes
from master.registry.base import Result, Verb, WriteOptions
from master.registry.commit import Beside, ClaimTaken, Intent, Lost, Moved, commit
from master.registry.core import AnyItem, Core
from master.registry.objects import Call
from master.registry.strategy import AnyStrategy
from master.registry.subresources import Part, Status
from master.registry.validation.meta import validate_meta, validate_meta_update
from master.store.cache import with_revision
from timonel.api import codec, managed_fields
from timonel.api.errors import AlreadyExists, Invalid, NotFound, ServerTimeout, StatusError
from timonel.api.fields import FieldError, invalid
from timonel.api.types.meta_v1 import ManagedFieldsEntry

ATTEMPTS = 24
"""How many lost races, taken names and taken claims one write bears before it gives up."""
GUESSES = 8
"""How many taken values an allocation runs into before it is told all that are taken."""

Make = Callable[[AnyItem | None], Any]
"""Makes the wanted object of the current state, anew in each attempt, so that the attempt may change it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an update is to do."""

    make: Make
    part: Part[Any] | None = None
    """Set when only a part of the object is written."""
    trusted: bool = False
    """An action's own change: the kind's rules for users do not apply, and admission has seen the action."""
    creates: bool = False
    """Whether an absent object is created."""
    tracked: bool = False
    """Whether ``make`` has worked out the managed fields itself, as apply does."""


class Writer:
    """The writing verbs, without authorisation."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def create(self, call: Call, make: Make, options: WriteOptions, *, tracked: bool = False) -> Result:
        """Create what ``make`` gives.

        Raises:
            AlreadyExists: there is an object of that name.
            Invalid: fields break the kind's rules.
        """
        taken: set[str] = set()
        for attempt in range(ATTEMPTS):
            obj = make(None)
            generated = not obj.metadata.name
            try:
                async with self._core.admission.turn(call, self._core):
                    return await self._create_once(call, obj, options, taken, tracked)
            except Moved:
                continue
            except ClaimTaken as lost:
                taken |= await self._all_taken(lost, guessed=attempt + 1 < GUESSES)
            except AlreadyExists:
                if not generated or attempt + 1 >= GUESSES:
                    raise
        raise ServerTimeout(call.resource.group_resource, call.verb)

    async def update(self, call: Call, plan: Plan, options: WriteOptions) -> Result:
        """Carry out ``plan`` on the object that ``call`` names.

        Raises:
            NotFound: there is none.
            Conflict: it is not in the state that the caller knows.
            Invalid: fields break the kind's rules.
        """
        key = call.resource.key(call.namespace, call.name)
        item: AnyItem | None = self._core.cache(call.resource).get(key)
        certain = False
        taken: set[str] = set()
        for attempt in range(ATTEMPTS):
            if item is None and not certain:
                item, certain = await self._core.read(call.resource, key), True
            try:
                if item is None:
                    return await self._create_absent(call, plan, options)
                outcome = await self._update_once(call, plan, options, item, taken)
            except ClaimTaken as lost:
                taken |= await self._all_taken(lost, guessed=attempt + 1 < GUESSES)
                continue
            except Moved:
                continue
            except AlreadyExists:
                certain = False
                continue
            except StatusError:
                if certain:
                    raise
                stale, item, certain = item, await self._core.read(call.resource, key), True
                if stale and item and stale.revision == item.revision:
                    raise
                continue
            if isinstance(outcome, Result):
                return outcome
            item, certain = self._core.item(call.resource, outcome.current) if outcome.current else None, True
        raise ServerTimeout(call.resource.group_resource, call.verb)

    # A creation

    async def _create_once(self, call: Call, obj: Any, options: WriteOptions, taken: set[str], tracked: bool) -> Result:
        core, resource = self._core, call.resource
        strategy = core.strategy(resource)
        metadata.match_request(obj, call)
        strategy.default(obj, None)
        if not tracked:
            track(call, obj, None, options)
        metadata.prepare_create(obj, call, strategy, core.uid)
        call = replace(call, name=obj.metadata.name or "")
        attributes = Attributes(call, obj, None, core, core.authorizer)
        await core.admission.mutate(attributes)
        strategy.prepare_create(obj, call)
        asked = strategy.claims(obj)
        strategy.allocate(obj, None, taken)
        refuse(obj, [*validate_meta(obj.metadata, resource, strategy), *strategy.validate(obj, None)])
        await core.admission.validate(attributes)
        self._warn(strategy, call, obj, None)
        value = encode(obj, None)
        key = resource.key(call.namespace, call.name)
        if options.dry_run:
            if present := await core.read(resource, key):
                raise _already_exists(call, present)
            return Result(value, created=True, warnings=tuple(call.warnings))
        intent = Intent(key, 0, value, strategy.claims(obj), beside=self._beside(attributes))
        outcome = await self._commit(strategy, intent, obj, asked)
        if isinstance(outcome, Lost):
            raise _already_exists(call, core.item(resource, outcome.current) if outcome.current else None)
        return Result(with_revision(value, outcome), outcome, created=True, warnings=tuple(call.warnings))

    async def _create_absent(self, call: Call, plan: Plan, options: WriteOptions) -> Result:
        if not plan.creates:
            raise NotFound(call.resource.group_resource, call.name)
        self._core.authorize_call(replace(call, verb=Verb.CREATE))
        return await self.create(call, plan.make, options, tracked=plan.tracked)

    # An update

    async def _update_once(
        self, call: Call, plan: Plan, options: WriteOptions, item: AnyItem, taken: set[str]
    ) -> Result | Lost:
        core, resource = self._core, call.resource
        strategy = core.strategy(resource)
        old = item.object
        new = plan.make(item)
        metadata.match_request(new, call)
        if not (plan.trusted or strategy.unconditional_update or new.metadata.resourceVersion not in ("", "0")):
            fault = invalid(metadata.METADATA.child("resourceVersion"), 0, "must be specified for an update")
            raise Invalid(resource.group_resource, call.name, [fault])
        metadata.prepare_update(new, old, item.revision, call)
        if plan.part is None and not plan.trusted:
            if any(isinstance(sub, Status) for sub in strategy.subresources):
                new.status = old.status
            strategy.default(new, old)
        if not plan.tracked:
            track(call, new, item, options)
        _prepare(strategy, plan, new, old, call)
        attributes = Attributes(call, new, old, core, core.authorizer)
        if not plan.trusted:
            await core.admission.mutate(attributes)
        asked = strategy.claims(new)
        if plan.part is None:
            strategy.allocate(new, old, taken)
        refuse(
            new,
            [*validate_meta_update(new.metadata, old.metadata, resource, strategy), *_faults(strategy, plan, new, old)],
        )
        if not plan.trusted:
            await core.admission.validate(attributes)
        self._warn(strategy, call, new, old)
        metadata.count_generation(new, old, strategy)
        value = encode(new, item if plan.tracked else None)
        return await self._store(attributes, strategy, item, value, asked, options)

    async def _store(
        self,
        attributes: Attributes,
        strategy: AnyStrategy,
        item: AnyItem,
        value: bytes,
        asked: Iterable[str],
        options: WriteOptions,
    ) -> Result | Lost:
        """Write what differs; an object that was only held back by its finalizers goes with the last of them."""
        call, new = attributes.call, attributes.object
        raw = with_revision(value, item.revision)
        goes = new.metadata.deletionTimestamp and not new.metadata.deletionGracePeriodSeconds and not strategy.held(new)
        if options.dry_run or (raw == item.raw and not goes):
            return Result(raw, item.revision, warnings=tuple(call.warnings))
        before, after = strategy.claims(item.object), {} if goes else strategy.claims(new)
        intent = Intent(
            key=item.key,
            revision=item.revision,
            value=None if goes else value,
            takes={key: field for key, field in after.items() if key not in before},
            gives_back=[key for key in before if key not in after],
            beside=self._beside(attributes),
        )
        outcome = await self._commit(strategy, intent, new, asked)
        if isinstance(outcome, Lost):
            return outcome
        return Result(with_revision(value, outcome), outcome, warnings=tuple(call.warnings))

    # Common to both

    def _beside(self, attributes: Attributes) -> list[Beside]:
        """What admission wants written in the same transaction."""
        made = []
        for obj in attributes.beside:
            meta = obj.metadata
            key = self._core.resources.of(type(obj)).key(meta.namespace or "", meta.name)
            revision, meta.resourceVersion = int(meta.resourceVersion), ""
            made.append(Beside(key, revision, stored_form(codec.to_document(obj))))
        return made

    async def _commit(self, strategy: AnyStrategy, intent: Intent, obj: Any, asked: Iterable[str]) -> int | Lost:
        """Commit; a taken claim that the caller asked for is the caller's error."""
        try:
            return await commit(self._core, strategy.resource, intent)
        except ClaimTaken as lost:
            chosen = [key for key in lost.keys if key in asked]
            if chosen:
                refuse(obj, [strategy.claim_refused(obj, key) for key in chosen])
            raise

    async def _all_taken(self, lost: ClaimTaken, *, guessed: bool) -> set[str]:
        """What the next allocation should avoid: what was met, later all that there is."""
        if guessed:
            return set(lost.keys)
        prefixes = {key.rpartition("/")[0] + "/" for key in lost.keys}
        pages = [await self._core.store.list(prefix) for prefix in prefixes]
        return {stored.key for page in pages for stored in page.items}

    def _warn(self, strategy: AnyStrategy, call: Call, new: Any, old: Any) -> None:
        for text in strategy.warnings(new, old):
            call.warn(text)


def manager_of(call: Call, options: WriteOptions) -> str:
    """Who owns the fields of a write: the manager that it names, else the user's own name."""
    return options.field_manager or call.user.name.removeprefix("system:")


def track(call: Call, new: Any, item: AnyItem | None, options: WriteOptions) -> None:
    """Bring the managed fields of ``new``, which follows ``item``, up to date.

    As in Kubernetes this looks at what is asked for, defaults included: what the server then fills in, admission adds
    or the kind does not let through belongs to nobody.
    """
    document = managed_fields.update(
        type(new),
        codec.to_document(item.object) if item else None,
        codec.to_document(new),
        manager=manager_of(call, options),
        now=call.now,
        subresource=call.subresource,
        api_version=new.apiVersion,
    )
    entries = document["metadata"].get("managedFields") or []
    new.metadata.managedFields = [codec.convert(ManagedFieldsEntry, entry) for entry in entries]


def encode(new: Any, applied_to: AnyItem | None) -> bytes:
    """The stored form of ``new``; what was applied to an object and changes nothing leaves also its times."""
    new.metadata.resourceVersion = ""
    document = codec.to_document(new)
    if applied_to:
        document = managed_fields.with_old_times(codec.to_document(applied_to.object), document)
    return stored_form(document)


def stored_form(document: dict[str, Any]) -> bytes:
    """The JSON that the store keeps: metadata before any field that could hold another object's metadata."""
    first = {key: document[key] for key in ("apiVersion", "kind", "metadata")}
    return msgspec.json.encode(first | document)


def refuse(obj: Any, faults: list[FieldError]) -> None:
    """Refuse an object that has faults.

    Raises:
        Invalid: it has.
    """
    if faults:
        raise Invalid(type(obj).gvk.group_kind, obj.metadata.name or "", faults)


def _prepare(strategy: AnyStrategy, plan: Plan, new: Any, old: Any, call: Call) -> None:
    """Carry over what this update may not touch."""
    if plan.trusted:
        return
    if plan.part is None:
        strategy.prepare_update(new, old, call)
        return
    plan.part.prepare(new, old, call)
    if isinstance(plan.part, Status):
        strategy.prepare_status(new, old, call)


def _faults(strategy: AnyStrategy, plan: Plan, new: Any, old: Any) -> Iterable[FieldError]:
    """The faults of an update by the kind's rules."""
    if plan.trusted:
        return ()
    if plan.part is None:
        return strategy.validate(new, old)
    return strategy.validate_status(new, old) if isinstance(plan.part, Status) else plan.part.validate(new, old)


def _already_exists(call: Call, present: AnyItem | None) -> AlreadyExists:
    goes = present is not None and present.object.metadata.deletionTimestamp is not None
    return AlreadyExists(call.resource.group_resource, call.name, goes=goes)
