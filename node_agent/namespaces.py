"""Doing something inside the network namespace of a process on this machine: sockets stay where they were made."""

import asyncio
import ctypes
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_LOCAL = ("127.0.0.1", "::1")
_libc = ctypes.CDLL(None, use_errno=True)


def inside(pid: int, act: Callable[[], T]) -> T:
    """Call ``act`` in the network namespace of ``pid``; sockets that it opens stay there. Blocks until it returns.

    The namespace belongs to a thread, so a thread is made for it and ends with it. Raises OSError when the process has
    ended or the agent may not enter.
    """

    def enter_and_act() -> T:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        try:
            if _libc.setns(namespace, _CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, f"cannot enter the network namespace of {pid}: {os.strerror(number)}")
        finally:
            os.close(namespace)
        return act()

    with ThreadPoolExecutor(1, thread_name_prefix="netns") as thread:
        return thread.submit(enter_and_act).result()


async def connect_inside(pid: int, port: int, host: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to an address, by default localhost, in that process's network namespace.

    So what listens on localhost only is reached too. Raises OSError; the caller sets the deadline.
    """
    problems: list[OSError] = []
    for address in (host,) if host else _LOCAL:
        try:
            return await _connect_inside(pid, address, port)
        except OSError as error:
            problems.append(error)
    raise problems[0]


async def _connect_inside(pid: int, address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = await asyncio.to_thread(inside, pid, lambda: socket.socket(family, socket.SOCK_STREAM))
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
        return await asyncio.open_connection(sock=connection)
    except BaseException:
        connection.close()
        raise


def has_own_network(pid: int) -> bool:
    """Whether the process is in another network namespace than the agent. Raises OSError when it has ended."""
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def set_sysctl(name: str, value: str) -> None:
    """Write a kernel setting (name with dots or slashes) unless it is so. Raises OSError."""
    path = Path("/proc/sys", name if "/" in name else name.replace(".", "/"))
    if path.read_text().split() != value.split():
        path.write_text(value)
