"""Get and list: which state a read may see, and pages that all see the same one."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from master.registry.base import ListOptions, ListResult
from master.registry.core import AnyCache, AnyItem, Core
from master.registry.objects import Call
from master.registry.selection import Selection
from master.store.base import Compacted
from timonel.api.errors import BadRequest, Expired, Invalid, Timeout
from timonel.api.fields import FieldError, forbidden, not_supported
from timonel.api.types.meta_v1 import StatusCause

FRESH_SECONDS = 3.0
"""How long a read waits for the cache to reach the revision that it asks for."""
PAGE_READ = 500
"""How many keys one read of a page with selectors takes from the store."""
_MAX_DIGITS = 19
"""Of a resourceVersion: those of the largest revision that a store can have."""
INCONSISTENT = -1
"""The revision in a continue token that goes on at the present state."""

TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter, "
    "or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - "
    "objects that were created, modified, or deleted between the time the first chunk was returned "
    "and now may show up in the list."
)


class Token(msgspec.Struct, omit_defaults=True):
    """A continue token: go on after key ``start``, at revision ``rv``."""

    v: str = "meta.k8s.io/v1"
    rv: int = 0
    start: str = ""

    def text(self) -> str:
        """As clients carry it."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> "Token":
        """The token in a request.

        Raises:
            BadRequest: it is none of ours.
        """
        try:
            token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=cls)
        except (ValueError, msgspec.MsgspecError) as error:
            raise BadRequest(f"continue key is not valid: {error}") from None
        if token.v != cls().v or not token.rv or not -1 <= token.rv < 2**63 or not token.start:
            raise BadRequest("continue key is not valid: incorrect encoded start resourceVersion or key")
        return token


@dataclass(frozen=True, slots=True)
class Page:
    """Items in key order as of ``revision``; ``more`` says that others follow, ``remaining`` how many."""

    items: Sequence[AnyItem]
    revision: int
    more: bool = False
    remaining: int | None = None


def check_options(options: ListOptions, *, watch: bool) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        Invalid: with a cause for each.
    """
    faults = list(_watch_faults(options) if watch else _list_faults(options))
    if faults:
        raise Invalid("ListOptions.meta.k8s.io", "", faults)


def _list_faults(options: ListOptions) -> Sequence[FieldError]:
    match, version = options.resource_version_match, options.resource_version
    faults: list[FieldError] = []
    if options.send_initial_events is not None:
        faults.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if not match:
        return faults
    if not version:
        faults.append(
            forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
        )
    if options.continue_token:
        faults.append(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"))
    if match not in ("Exact", "NotOlderThan"):
        faults.append(not_supported("resourceVersionMatch", match, ["Exact", "NotOlderThan", ""]))
    if match == "Exact" and version == "0":
        faults.append(
            forbidden("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
        )
    return faults


def _watch_faults(options: ListOptions) -> Sequence[FieldError]:
    match = options.resource_version_match
    if options.send_initial_events is None:
        if match:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            return [forbidden("resourceVersionMatch", why)]
        return []
    faults: list[FieldError] = []
    if match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        faults.append(forbidden("resourceVersionMatch", why))
        if match:
            faults.append(not_supported("resourceVersionMatch", match, ["NotOlderThan"]))
    return faults


def parse_revision(text: str | None) -> int | None:
    """A resourceVersion as a number; None where none is given.

    Raises:
        BadRequest: it is no number.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise BadRequest(f"invalid resource version: {text[:40]!r}")
    return int(text)


async def at_least(cache: AnyCache, revision: int | None) -> None:
    """Wait until the cache may answer: None asks for all that was acknowledged before, 0 for anything.

    Raises:
        Timeout: the cache did not get there, perhaps because no such revision exists.
        StoreError: nor can it, for now: the store, or a webhook that converts what it holds, fails.
    """
    try:
        if revision is None:
            await cache.fresh(FRESH_SECONDS)
        else:
            await cache.wait_until(revision or 1, FRESH_SECONDS)
    except TimeoutError:
        if cache.trouble is not None:
            raise cache.trouble from None
        if revision is None:
            raise Timeout("the cache has not caught up with the store in time") from None
        cause = StatusCause(reason="ResourceVersionTooLarge", message="Too large resource version")
        error = Timeout(f"Too large resource version: {revision}, current: {cache.revision}")
        error.causes = [cause]
        raise error from None


class Lister:
    """Get and list, without authorisation."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def get(self, call: Call, resource_version: str | None) -> AnyItem | None:
        """The object, not older than ``resource_version``; None when there is none."""
        cache = self._core.cache(call.resource)
        await at_least(cache, parse_revision(resource_version))
        found: AnyItem | None = cache.get(call.resource.key(call.namespace, call.name))
        return found

    async def list(self, call: Call, options: ListOptions) -> ListResult:
        """A page, or everything, as ``options`` ask."""
        check_options(options, watch=False)
        selection = Selection(self._core.strategy(call.resource), call.namespace, options)
        page = await self._page(call, options, selection)
        token = ""
        if page.more:
            last = page.items[-1].key if page.items else ""
            token = Token(rv=page.revision, start=last.removeprefix(call.resource.prefix)).text()
        return ListResult(
            [item.raw for item in page.items], page.revision, token, page.remaining if page.more else None
        )

    async def _page(self, call: Call, options: ListOptions, selection: Selection) -> Page:
        if options.continue_token:
            token = Token.parse(options.continue_token)
            if options.resource_version not in (None, "", "0"):
                raise BadRequest("specifying resource version is not allowed when using continue")
            return await self._continued(call, options, selection, token)
        revision = parse_revision(options.resource_version)
        exact = options.resource_version_match == "Exact" or (
            revision and options.limit and not options.resource_version_match
        )
        if exact and revision:
            return await self._stored(call, options.limit, selection, "", revision)
        cache = self._core.cache(call.resource)
        await at_least(cache, revision)
        return _cut(cache.list(selection.prefix), cache.revision, 0 if revision == 0 else options.limit, selection)

    async def _continued(self, call: Call, options: ListOptions, selection: Selection, token: Token) -> Page:
        start = call.resource.prefix + token.start
        if not start.startswith(selection.prefix):
            raise BadRequest("continue key is not valid: it belongs to another list")
        if token.rv == INCONSISTENT:
            cache = self._core.cache(call.resource)
            await at_least(cache, None)
            rest = [item for item in cache.list(selection.prefix) if item.key > start]
            return _cut(rest, cache.revision, options.limit, selection)
        return await self._stored(call, options.limit, selection, start, token.rv)

    async def _stored(self, call: Call, limit: int, selection: Selection, after: str, revision: int) -> Page:
        """A page as of an old revision, which only the store knows."""
        await at_least(self._core.cache(call.resource), revision)
        store = self._core.store_of(call.resource)
        chosen: list[AnyItem] = []
        while True:
            wanted = 0 if not limit else limit if selection.everything else max(PAGE_READ, limit)
            try:
                page = await store.list(selection.prefix, limit=wanted, after=after, revision=revision)
            except Compacted:
                raise self._expired(call, after) from None
            for stored in page.items:
                item = self._core.item(call.resource, stored)
                if selection.everything or selection.matches(item):
                    if limit and len(chosen) == limit:
                        return Page(chosen, revision, more=True)
                    chosen.append(item)
            if not page.more:
                return Page(chosen, revision)
            if limit and selection.everything:
                return Page(chosen, revision, more=True, remaining=page.remaining)
            after = page.items[-1].key

    def _expired(self, call: Call, after: str) -> Expired:
        if not after:
            return Expired("The resourceVersion for the provided list is too old.")
        error = Expired(TOO_OLD)
        error.continue_token = Token(rv=INCONSISTENT, start=after.removeprefix(call.resource.prefix)).text()
        return error


def _cut(items: Sequence[AnyItem], revision: int, limit: int, selection: Selection) -> Page:
    """The first ``limit`` items that are selected."""
    if selection.everything:
        if not limit or len(items) <= limit:
            return Page(items, revision)
        return Page(items[:limit], revision, more=True, remaining=len(items) - limit)
    chosen: list[AnyItem] = []
    for item in items:
        if selection.matches(item):
            if limit and len(chosen) == limit:
                return Page(chosen, revision, more=True)
            chosen.append(item)
    return Page(chosen, revision)
