"""Connects to a port inside a pod's network namespace, so that what listens on localhost only is reached too."""

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_LOCAL = ("127.0.0.1", "::1")
CONNECT_SECONDS = 5.0


async def connect_inside(pid: int, port: int, host: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to an address, by default localhost, in that process's network namespace. Raises OSError."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[socket.socket] = loop.create_future()

    def enter_and_connect() -> None:
        try:
            _enter(pid)
            connected = _connect(port, (host,) if host else _LOCAL)
        except OSError as error:
            loop.call_soon_threadsafe(_settle, found, None, error)
        else:
            loop.call_soon_threadsafe(_settle, found, connected, None)

    # A thread of its own, which ends with the namespace it entered; sockets stay in the namespace they were made in.
    threading.Thread(target=enter_and_connect, daemon=True, name=f"netns of {pid}").start()
    return await asyncio.open_connection(sock=await found)


def _settle(found: asyncio.Future[socket.socket], connected: socket.socket | None, error: OSError | None) -> None:
    if found.done():
        if connected is not None:
            connected.close()
    elif connected is not None:
        found.set_result(connected)
    elif error is not None:
        found.set_exception(error)


def _enter(pid: int) -> None:
    with Path(f"/proc/{pid}/ns/net").open("rb") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot enter the network namespace: {os.strerror(number)}")


def _connect(port: int, addresses: Sequence[str]) -> socket.socket:
    problem = OSError("no local address")
    for address in addresses:
        try:
            connected = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
        except OSError as error:
            problem = error if address == addresses[0] else problem
        else:
            connected.setblocking(False)
            return connected
    raise problem
