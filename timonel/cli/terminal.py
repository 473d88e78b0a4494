"""Couples this process's terminal, or its plain stdin and stdout, with a command that runs in a container."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import termios
import threading
import tty as ttys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from timonel.remote import Channel, Remote
from timonel.tasks import end

CHUNK = 32 * 1024
_OUTPUTS = {Channel.STDOUT: 1, Channel.STDERR: 2}


async def couple(remote: Remote, *, stdin: bool, tty: bool) -> int:
    """Carry input and output until the command has ended, then close the connection; its exit code.

    Raises:
        StatusError: the command could not be run, or the connection was lost.
    """
    tasks: list[asyncio.Task[None]] = []
    try:
        with _raw(enabled=tty):
            if tty:
                tasks.append(asyncio.create_task(_follow_size(remote)))
            if stdin:
                tasks.append(asyncio.create_task(_send_input(remote)))
            while (output := await remote.read()) is not None:
                channel, data = output
                _write_all(_OUTPUTS[channel], data)
        return remote.exit_code()
    finally:
        await end(tasks)
        await remote.close()


@contextmanager
def _raw(*, enabled: bool) -> Iterator[None]:
    """The terminal passes every key on as it is, and is put back afterwards."""
    if not enabled:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        ttys.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def _follow_size(remote: Remote) -> None:
    """Tell the terminal's size, now and whenever it changes."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    try:
        while True:
            columns, rows = shutil.get_terminal_size()
            await remote.resize(columns, rows)
            await changed.wait()
            changed.clear()
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


async def _send_input(remote: Remote) -> None:
    """Send stdin until its end. A thread reads it, as files cannot be polled; the queue holds the thread back."""
    queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError, asyncio.CancelledError):  # the loop may have ended while this waited
            while True:
                data = os.read(sys.stdin.fileno(), CHUNK)
                asyncio.run_coroutine_threadsafe(queue.put(data), loop).result()
                if not data:
                    return

    threading.Thread(target=read, daemon=True, name="stdin").start()
    with suppress(ConnectionError):  # the command has ended: reading its output tells how
        while data := await queue.get():
            await remote.write(data)
        await remote.end_input()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
