"""Watch: the changes of a selection as frames, from a revision on or from a full state on."""

import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from master.registry.base import ListOptions
from master.registry.core import AnyItem, Core
from master.registry.listing import at_least, check_options, parse_revision
from master.registry.objects import Call
from master.registry.selection import Selection
from master.store.base import Compacted, Unavailable
from master.store.cache import CacheEvent, EventType, wire
from timonel.api.errors import Expired

BOOKMARK_SECONDS = 60.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"
BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class Frame:
    """One event: its type, and the object's JSON; ``line`` is the whole event as a line of JSON."""

    type: str
    raw: bytes
    line: bytes
    item: AnyItem | None = None
    """The object; None for a bookmark, which has none."""


WatchFrames = Sequence[Frame]


def joined(frames: WatchFrames) -> bytes:
    """The frames as a client of the plain form gets them."""
    return b"".join([frame.line for frame in frames])


class Watcher:
    """The watch verb, without authorisation."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def watch(self, call: Call, options: ListOptions) -> AsyncGenerator[WatchFrames, None]:
        """Batches of frames until the time is over, the kind is served no longer, or the generator is closed.

        Raises:
            Expired: the revision to begin after is too old; or, later, the client was too slow.
        """
        check_options(options, watch=True)
        selection = Selection(self._core.strategy(call.resource), call.namespace, options)
        cache = self._core.cache(call.resource)
        revision = parse_revision(options.resource_version)
        state = _wants_state(options, revision)
        await at_least(cache, revision if revision or not state or options.resource_version == "0" else None)
        after = cache.revision if state else revision
        try:
            subscription = cache.subscribe(after)
        except Compacted as gone:
            raise Expired(f"too old resource version: {revision} ({gone.revision})") from None
        if state:
            items = [item for item in cache.list(selection.prefix) if selection.matches(item)]
            frames = [_frame(EventType.ADDED, item) for item in items]
            if options.send_initial_events and options.allow_bookmarks:
                frames.append(_bookmark(call, cache.revision, ends_initial=True))
            if frames:
                yield frames
        ends = time.monotonic() + options.timeout_seconds if options.timeout_seconds else None
        bookmark_at = time.monotonic() + BOOKMARK_SECONDS
        while True:
            now = time.monotonic()
            until = min(bookmark_at, ends) if ends is not None else bookmark_at
            try:
                events = await subscription.next(max(0.0, until - now))
            except Compacted as gone:
                raise Expired(f"too old resource version: {subscription.revision} ({gone.revision})") from None
            except Unavailable:
                if cache.closed:
                    return
                raise
            frames = _select(events, selection)
            over = ends is not None and time.monotonic() >= ends
            if over or time.monotonic() >= bookmark_at:
                bookmark_at = time.monotonic() + BOOKMARK_SECONDS
                if options.allow_bookmarks:
                    frames.append(_bookmark(call, subscription.revision))
            if frames:
                yield frames
            if over:
                return


def _wants_state(options: ListOptions, revision: int | None) -> bool:
    """Whether the watch begins with everything that is there, as ADDED events."""
    if options.send_initial_events is not None:
        return options.send_initial_events
    return not revision


def _frame(kind: EventType, item: AnyItem) -> Frame:
    return Frame(kind, item.raw, wire(kind, item.raw), item)


def _bookmark(call: Call, revision: int, *, ends_initial: bool = False) -> Frame:
    """An object that says nothing but how far the watch has come."""
    metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if ends_initial:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    gvk = call.resource.gvk
    raw = msgspec.json.encode({"kind": gvk.kind, "apiVersion": gvk.api_version, "metadata": metadata})
    return Frame(BOOKMARK, raw, b'{"type":"BOOKMARK","object":%b}\n' % raw)


def _select(events: Iterable[CacheEvent[Any]], selection: Selection) -> list[Frame]:
    """The events as they look through a selection: entering it is ADDED, leaving it DELETED."""
    mine = [event for event in events if selection.of_prefix(event.item)]
    if selection.everything:
        return [Frame(event.type, event.item.raw, event.wire, event.item) for event in mine]
    frames = []
    for event in mine:
        was = event.previous is not None and selection.matches(event.previous)
        now = event.type is not EventType.DELETED and selection.matches(event.item)
        if now and was:
            frames.append(Frame(event.type, event.item.raw, event.wire, event.item))
        elif now:
            frames.append(_frame(EventType.ADDED, event.item))
        elif was:
            gone = event.item
            if event.type is not EventType.DELETED and event.previous is not None:
                gone = event.previous.deleted_at(event.item.revision)
            frames.append(_frame(EventType.DELETED, gone))
    return frames
