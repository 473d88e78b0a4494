"""Delete: preconditions, grace, finalizers, propagation; the object goes when nothing holds it any more."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from master.registry import metadata
from master.registry.admission.base import Attributes
from master.registry.base import DeleteOptions, Result
from master.registry.commit import Intent, Lost, commit
from master.registry.core import AnyItem, Core
from master.registry.objects import Call
from master.registry.strategy import AnyStrategy
from master.registry.write import ATTEMPTS, stored_form
from master.store.cache import with_revision
from timonel.api import codec, time
from timonel.api.errors import BadRequest, NotFound, ServerTimeout, StatusError
from timonel.api.types.meta_v1 import ObjectMeta

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
FINALIZER_OF = {"Orphan": ORPHAN, "Foreground": FOREGROUND, "Background": ""}


class _Named(msgspec.Struct):
    """All that a collection's delete needs of an object."""

    metadata: ObjectMeta


class Deleter:
    """The delete verb, without authorisation."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def delete(self, call: Call, options: DeleteOptions, *, admitted: bool = False) -> Result:
        """Delete the object that ``call`` names, or begin to.

        Args:
            admitted: whether admission has seen already what leads to this.

        Raises:
            NotFound: there is none.
            Conflict: a precondition does not hold.
        """
        if options.propagation not in (None, *FINALIZER_OF):
            raise BadRequest(
                f"invalid propagationPolicy {options.propagation!r}: Orphan, Background or Foreground is needed"
            )
        key = call.resource.key(call.namespace, call.name)
        item: AnyItem | None = self._core.cache(call.resource).get(key)
        certain = False
        for _ in range(ATTEMPTS):
            if item is None and not certain:
                item, certain = await self._core.read(call.resource, key), True
            if item is None:
                raise NotFound(call.resource.group_resource, call.name)
            try:
                outcome = await self._delete_once(call, options, item, admitted=admitted)
            except StatusError:
                if certain:
                    raise
                stale, item, certain = item, await self._core.read(call.resource, key), True
                if item and stale.revision == item.revision:
                    raise
                continue
            if isinstance(outcome, Result):
                return outcome
            item, certain = self._core.item(call.resource, outcome.current) if outcome.current else None, True
        raise ServerTimeout(call.resource.group_resource, call.verb)

    async def delete_listed(self, call: Call, raw: bytes, options: DeleteOptions) -> None:
        """Delete one object of a listed collection; one that is gone by now is deleted enough."""
        meta = codec.decode_stored(_Named, raw).metadata
        one = replace(call, namespace=meta.namespace or "", name=meta.name or "")
        with suppress(NotFound):
            await self.delete(one, options)

    async def _delete_once(self, call: Call, options: DeleteOptions, item: AnyItem, *, admitted: bool) -> Result | Lost:
        core = self._core
        strategy = core.strategy(call.resource)
        old = item.object
        metadata.check(options.preconditions, old.metadata, item.revision, call.resource)
        if not admitted:
            await core.admission.validate(Attributes(call, None, old, core, core.authorizer))
        new = codec.copy(old)
        goes = self._mark(strategy, new, options)
        new.metadata.resourceVersion = ""
        value = stored_form(codec.to_document(new))
        raw = with_revision(value, item.revision)
        if options.dry_run or (raw == item.raw and not goes):
            return Result(raw, item.revision, deleted=goes)
        left, given_back = (None, strategy.claims(old)) if goes else (value, ())
        outcome = await commit(core, call.resource, Intent(item.key, item.revision, left, gives_back=given_back))
        return outcome if isinstance(outcome, Lost) else Result(with_revision(value, outcome), outcome, deleted=goes)

    def _mark(self, strategy: AnyStrategy, new: Any, options: DeleteOptions) -> bool:
        """Say in the metadata that the object is being deleted; gives whether nothing holds it."""
        meta = new.metadata
        meta.finalizers = _finalizers(meta.finalizers, options.propagation or strategy.propagation_of(new))
        given, held = strategy.grace(new, options), strategy.held(new)
        grace = max(0, given or 0)
        if meta.deletionTimestamp:
            left = meta.deletionGracePeriodSeconds or 0
            grace = min(grace, left)
            if grace == left:
                return left == 0 and not held
        if given is None and not held:
            return True
        now = self._core.clock()
        if strategy.has_generation and not meta.deletionTimestamp:
            meta.generation = meta.generation + 1
        meta.deletionTimestamp = time.text(now + timedelta(seconds=grace))
        meta.deletionGracePeriodSeconds = grace
        strategy.prepare_delete(new)
        return grace == 0 and not held


def _finalizers(present: list[str], propagation: str | None) -> list[str]:
    """The finalizers after a delete with this propagation; None leaves them as they are."""
    if propagation is None:
        return present
    kept = [finalizer for finalizer in present if finalizer not in (ORPHAN, FOREGROUND)]
    added = FINALIZER_OF[propagation]
    return [*kept, added] if added else kept
