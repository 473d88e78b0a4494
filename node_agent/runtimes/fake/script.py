"""What pretended containers, commands and pulls do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """What an exec does: write, then end after ``seconds`` with ``exit_code``.

    ``echo`` writes back what it reads, and ends with its input. ``error`` is why it cannot be started.
    """

    output: Sequence[tuple[int, bytes]] = ()
    exit_code: int = 0
    seconds: float = 0.0
    echo: bool = False
    error: str = ""


def no_such_command(command: Sequence[str]) -> Command:
    """What a container answers that knows no commands."""
    return Command(error=f'exec: "{command[0]}": executable file not found in $PATH')


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a container does.

    It starts after ``start_seconds``, or fails with ``start_error``; writes ``output`` (and ``tick`` every
    ``tick_seconds``); ends by itself after ``run_seconds`` (None: never), by the kernel's hand for want of memory if
    ``oom``. Asked to stop it takes ``stop_seconds`` (None: it ignores the signal and must be killed) and ends with
    ``stop_code``. ``echo`` writes back what is written to it by attach. ``commands`` answers execs.
    """

    start_seconds: float = 0.0
    start_error: str = ""
    output: Sequence[tuple[int, bytes]] = ()
    tick: bytes = b""
    tick_seconds: float = 1.0
    run_seconds: float | None = None
    exit_code: int = 0
    oom: bool = False
    stop_seconds: float | None = 0.0
    stop_code: int = 143
    echo: bool = False
    commands: Callable[[Sequence[str]], Command] = no_such_command
    memory_bytes: int = 8 << 20
    cpu_cores: float = 0.01


@dataclass(frozen=True, slots=True)
class Pull:
    """How the pull of an image goes: ``steps`` of equal bytes over ``seconds``, then there, or refused with ``error``.

    With ``username`` and ``password`` only they are let in.
    """

    seconds: float = 0.0
    steps: int = 4
    size_bytes: int = 4 << 20
    error: str = ""
    username: str = ""
    password: str = ""
    user: str = ""
    """The USER of the image that comes."""
