"""Calls of functions that are not trusted to return: each in a thread of its own, for so long and no longer.

A thread cannot be ended from outside. One that overruns is left behind; a function that has left several behind is not
called again before one of them has ended.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

MOST_LEFT_BEHIND = 4
"""Threads of one function that may be overdue at a time."""


class TooSlow(Exception):
    """The function did not return in time, or is not called because earlier calls have not."""


class Caller:
    """Calls functions, and knows which are overdue."""

    def __init__(self) -> None:
        self._overdue: Counter[str] = Counter()

    async def call(self, name: str, seconds: float, function: Callable[..., T], *arguments: Any) -> T:
        """What the function returns, or raises.

        Raises:
            TooSlow: it takes longer than ``seconds``.
        """
        if self._overdue[name] >= MOST_LEFT_BEHIND:
            raise TooSlow(f"{self._overdue[name]} earlier calls have not returned yet")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()
        threading.Thread(
            target=_run, args=(loop, outcome, function, arguments), name=f"admission {name}", daemon=True
        ).start()
        try:
            return await asyncio.wait_for(asyncio.shield(outcome), seconds)
        except TimeoutError:
            if outcome.done():  # the function itself raised it
                raise
            self._leave(name, outcome)
            raise TooSlow(f"it has not returned within {seconds:g} s") from None

    def _leave(self, name: str, outcome: asyncio.Future[Any]) -> None:
        self._overdue[name] += 1

        def ended(late: asyncio.Future[Any]) -> None:
            self._overdue[name] -= 1
            late.exception()  # nobody waits for it any more

        outcome.add_done_callback(ended)


def _run(
    loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[T], function: Callable[..., T], arguments: tuple[Any, ...]
) -> None:
    try:
        result = function(*arguments)
    except BaseException as error:  # noqa: BLE001  # whatever ends a plugin, even sys.exit(), is for its caller
        plain = isinstance(error, Exception) and not isinstance(error, StopIteration)  # which futures do not take
        failure = error if plain else RuntimeError(f"{type(error).__name__}: {error}")
        report = _setter(outcome.set_exception, outcome, failure)
    else:
        report = _setter(outcome.set_result, outcome, result)
    with suppress(RuntimeError):  # the loop is closed: nobody asks any more
        loop.call_soon_threadsafe(report)


def _setter(setter: Callable[[Any], None], outcome: asyncio.Future[Any], value: Any) -> Callable[[], None]:
    return lambda: None if outcome.cancelled() else setter(value)
