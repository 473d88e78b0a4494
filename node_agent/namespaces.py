"""Doing something inside the network namespace of a process on this machine."""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
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


def has_own_network(pid: int) -> bool:
    """Whether the process is in another network namespace than the agent. Raises OSError when it has ended."""
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def set_sysctl(name: str, value: str) -> None:
    """Write a kernel setting (name with dots or slashes) unless it is so. Raises OSError."""
    path = Path("/proc/sys", name if "/" in name else name.replace(".", "/"))
    if path.read_text().split() != value.split():
        path.write_text(value)
