"""The embedded store's tables: blocking calls, each on a connection of its own.

One row a change: ``history(id, key, created, lease, value)``. ``id`` is the change's revision and its place in the
transaction, so that the primary key is the order of events; ``created`` is 0 for a deletion. What is current is the
last row of each key.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from master.store.base import (
    Committed,
    Compacted,
    Corrupt,
    Delete,
    Event,
    Guard,
    KeyValue,
    LeaseEnded,
    NoSpace,
    OutcomeUnknown,
    Page,
    Put,
    Refused,
    StoreError,
    Unavailable,
    Write,
    prefix_end,
)

log = logging.getLogger(__name__)

VERSION = 1
FIRST_REVISION = 1
"""The revision of an empty store, as etcd counts; revision 0 means "now" everywhere."""

ROWS_AT_ONCE = 64
"""How many rows one statement inserts, of the five values each that SQLite always takes."""

_PLACE_BITS = 20
_LAST = "\U0010ffff"

_SCHEMA = """
CREATE TABLE history(
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, lease INTEGER NOT NULL, value BLOB NOT NULL);
CREATE UNIQUE INDEX history_key ON history(key, id, created);
CREATE INDEX history_lease ON history(lease) WHERE lease != 0;
CREATE TABLE lease(id INTEGER PRIMARY KEY, ttl REAL NOT NULL);
CREATE TABLE compacted(revision INTEGER NOT NULL);
INSERT INTO compacted VALUES (0);
"""

_LAST_OF = """
SELECT last.key, last.id, last.created FROM json_each(?) AS wanted
JOIN history AS last ON last.id = (SELECT max(id) FROM history WHERE key = wanted.value)
"""

# SQLite takes the bare column `created` from the row that has max(id); both come from the index alone.
_CURRENT = """
SELECT key, max(id) AS id, created FROM history
WHERE key > :after AND key >= :low AND key < :high AND id < :bound GROUP BY key HAVING created > 0
"""


def _first_id(revision: int) -> int:
    return revision << _PLACE_BITS


def _revision(row_id: int) -> int:
    return row_id >> _PLACE_BITS


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _translated(error: sqlite3.Error, *, committing: bool = False) -> StoreError:
    """The store's word for SQLite's error; met while ``committing`` it leaves the outcome open, but for a full disk."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return NoSpace(f"no room to write to the store: {error}; free some disk space")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Corrupt(f"the store's file is damaged: {error}; restore a snapshot")
    return (
        OutcomeUnknown(f"the store's commit failed: {error}")
        if committing
        else Unavailable(f"the store's file: {error}")
    )


@contextmanager
def _errors_translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error) from error


class Writer:
    """The connection that writes, for one thread. `group` runs calls of the other methods in one SQLite transaction."""

    def __init__(self, path: Path) -> None:
        """Open or create the file.

        Raises:
            Corrupt: it is not a store, or one of a later version.
        """
        with _errors_translated():
            path.touch(mode=0o600)
            self._db = _connect(path)
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db.execute("PRAGMA journal_mode = WAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
            elif version != VERSION:
                raise Corrupt(
                    f"{path} has version {version} of the store's format, this program reads version {VERSION}"
                )
            self._events: list[Event] = []
            self._known: dict[str, tuple[int, int]] = {}
            self._rows: list[tuple[int, str, int, int, bytes]] = []
            self._recall()

    def _recall(self) -> None:
        newest = self._db.execute("SELECT max(id) FROM history").fetchone()[0] or 0
        self.compacted: int = self._db.execute("SELECT revision FROM compacted").fetchone()[0]
        self.revision = max(_revision(newest), self.compacted, FIRST_REVISION)

    def group(
        self, calls: Sequence[Callable[["Writer"], Any]], keys: Collection[str] = ()
    ) -> tuple[list[Any], list[Event]]:
        """Run ``calls`` in one SQLite transaction, on disk on return: each one's result or `StoreError`, and events.

        A call raises `StoreError` before it has written anything; any other error undoes and fails the whole group.
        The last changes of ``keys`` are looked up at once, and rows written at once: after every statement, however
        short, this thread waits for its turn to run Python again, which a busy event loop grants late.
        """
        results: list[Any] = []
        self._events, self._rows, self._known = [], [], {}
        committing = False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._look_up(keys)
            for call in calls:
                try:
                    results.append(call(self))
                except StoreError as error:
                    results.append(error)
            self._flush()
            committing = True
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            return [_translated(error, committing=committing)] * len(calls), []
        except Exception as error:
            log.exception("a group of writes failed")
            self._roll_back()
            return [Unavailable(f"a write failed: {error}")] * len(calls), []
        return results, self._events

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")
        with suppress(sqlite3.Error):
            self._recall()

    def txn(self, guards: Sequence[Guard], writes: Sequence[Write]) -> Committed | Refused:
        """As `Store.txn`."""
        if any(self._last(guard.key)[0] != guard.revision for guard in guards):
            return Refused(self.revision, tuple(self._get(guard.key) for guard in guards))
        for write in writes:
            if isinstance(write, Put) and write.lease:
                self._lease_exists(write.lease)
        self._write(writes)
        return Committed(self.revision)

    def _look_up(self, keys: Collection[str]) -> None:
        self._known |= dict.fromkeys(keys, (0, 0))
        rows = self._db.execute(_LAST_OF, (json.dumps(list(keys)),)).fetchall() if keys else ()
        self._known |= {key: (_revision(row), created) for key, row, created in rows if created}

    def _last(self, key: str) -> tuple[int, int]:
        """The revisions of the key's last change and of its creation; zeros when it is absent."""
        if key not in self._known:
            self._look_up([key])
        return self._known[key]

    def _flush(self) -> None:
        """Let statements see the rows written so far."""
        rows, self._rows = self._rows, []
        for at in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[at : at + ROWS_AT_ONCE]
            places = ",".join(["(?,?,?,?,?)"] * len(some))
            self._db.execute(f"INSERT INTO history VALUES {places}", list(chain.from_iterable(some)))

    def _get(self, key: str) -> KeyValue | None:
        self._flush()
        query = "SELECT id, created, value FROM history WHERE key = ? ORDER BY id DESC LIMIT 1"
        row = self._db.execute(query, (key,)).fetchone()
        return KeyValue(key, row[2], _revision(row[0]), row[1]) if row and row[1] else None

    def _lease_exists(self, lease: int) -> None:
        if self._db.execute("SELECT 1 FROM lease WHERE id = ?", (lease,)).fetchone() is None:
            raise LeaseEnded(f"lease {lease} has ended; grant a new one")

    def _write(self, writes: Sequence[Write]) -> None:
        revision = self.revision + 1
        for place, write in enumerate(writes):
            _, created = self._last(write.key)
            if isinstance(write, Delete):
                if not created:
                    continue
                self._rows.append((_first_id(revision) + place, write.key, 0, 0, b""))
                self._known[write.key] = (0, 0)
                self._events.append(Event(write.key, None, revision, 0))
            else:
                created = created or revision
                self._rows.append((_first_id(revision) + place, write.key, created, write.lease, write.value))
                self._known[write.key] = (revision, created)
                self._events.append(Event(write.key, write.value, revision, created))
            self.revision = revision

    def grant(self, lease: int, ttl: float) -> None:
        """Record a lease; its time is kept in memory by the caller."""
        self._db.execute("INSERT INTO lease VALUES (?, ?)", (lease, ttl))

    def revoke(self, lease: int) -> None:
        """Remove a lease and delete the keys that it holds, in one revision."""
        self._flush()
        self._db.execute("DELETE FROM lease WHERE id = ?", (lease,))
        rows = self._db.execute("SELECT DISTINCT key FROM history AS h WHERE lease = ? AND id = "
                                "(SELECT max(id) FROM history WHERE key = h.key)", (lease,)).fetchall()  # fmt: skip
        self._write([Delete(key) for (key,) in rows])

    def leases(self) -> dict[int, float]:
        """Every lease with its full time in seconds."""
        return dict(self._db.execute("SELECT id, ttl FROM lease"))

    def compact(self, revision: int, most: int) -> int:
        """Forget history before ``revision``, of at most ``most`` revisions in this call; returns where it got to."""
        revision = min(revision, self.compacted + most, self.revision)
        if revision <= self.compacted:
            return self.compacted
        self._flush()
        span = (_first_id(self.compacted + 1), _first_id(revision + 1))
        rows = self._db.execute("SELECT key, id, created FROM history WHERE id >= ? AND id < ?", span).fetchall()
        self._db.executemany("DELETE FROM history WHERE key = ? AND id < ?", [(key, row) for key, row, _ in rows])
        self._db.executemany("DELETE FROM history WHERE id = ?", [(row,) for _, row, created in rows if not created])
        self._db.execute("UPDATE compacted SET revision = ?", (revision,))
        self.compacted = revision
        self._give_back_space()
        return revision

    def _give_back_space(self) -> None:
        """Shrink the file a little when a quarter of it is unused; fewer free pages serve the next writes."""
        free: int = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        pages: int = self._db.execute("PRAGMA page_count").fetchone()[0]
        if free > max(256, pages // 4):
            self._db.execute("PRAGMA incremental_vacuum(512)").fetchall()

    def close(self) -> None:
        """Close the connection, folding the write-ahead log into the file."""
        self._db.close()


class Reader:
    """A connection that reads, for one thread at a time. Every call sees one state of the file."""

    def __init__(self, path: Path) -> None:
        with _errors_translated():
            self._db = _connect(path)
            self._db.execute("PRAGMA query_only = ON")

    @contextmanager
    def _since(self, revision: int) -> Iterator[None]:
        """Hold one state of the file, in which nothing after ``revision`` is compacted."""
        with _errors_translated():
            self._db.execute("BEGIN")
            try:
                compacted: int = self._db.execute("SELECT revision FROM compacted").fetchone()[0]
                if revision < compacted:
                    raise Compacted(compacted)
                yield
            finally:
                self._db.execute("COMMIT")

    def get(self, key: str, revision: int) -> KeyValue | None:
        """The key as of ``revision``."""
        query = "SELECT id, created, value FROM history WHERE key = ? AND id < ? ORDER BY id DESC LIMIT 1"
        with self._since(revision):
            row = self._db.execute(query, (key, _first_id(revision + 1))).fetchone()
        return KeyValue(key, row[2], _revision(row[0]), row[1]) if row and row[1] else None

    def page(self, prefix: str, limit: int, after: str, revision: int) -> Page:
        """As `Store.list`, as of ``revision``."""
        span = {"low": prefix, "high": prefix_end(prefix) or _LAST, "after": after, "bound": _first_id(revision + 1)}
        query = f"""SELECT found.key, history.value, found.id, found.created
            FROM ({_CURRENT} ORDER BY key LIMIT :limit) AS found JOIN history ON history.id = found.id"""
        remaining = 0
        with self._since(revision):
            rows = self._db.execute(query, {**span, "limit": limit + 1 if limit else -1}).fetchall()
            # They come in this order already; an ORDER BY would have SQLite copy all values to sort them once more.
            rows.sort(key=itemgetter(0))
            if more := bool(limit) and len(rows) > limit:
                rows.pop()
                rest = {**span, "after": rows[-1][0]}
                remaining = self._db.execute(f"SELECT count(*) FROM ({_CURRENT})", rest).fetchone()[0]
        items = [KeyValue(key, value, _revision(row), created) for key, value, row, created in rows]
        return Page(items, revision, more, remaining)

    def events(self, prefix: str, after: int, upto: int) -> list[Event]:
        """The changes under ``prefix`` with revisions in (``after``, ``upto``]."""
        query = (
            "SELECT id, key, created, value FROM history WHERE id >= ? AND id < ? AND key >= ? AND key < ? ORDER BY id"
        )
        span = (_first_id(after + 1), _first_id(upto + 1), prefix, prefix_end(prefix) or _LAST)
        with self._since(after):
            rows = self._db.execute(query, span).fetchall()
        return [Event(key, value if created else None, _revision(row), created) for row, key, created, value in rows]

    def close(self) -> None:
        """Close the connection."""
        self._db.close()
