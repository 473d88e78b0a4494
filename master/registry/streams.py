"""Streams to containers, as who serves them over HTTP sees them: what to ask of a node, and the frames to and fro."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Channel(IntEnum):
    """What a frame carries. A port-forward uses STDIN towards the pod and STDOUT from it; logs come on STDOUT."""

    STDIN = 1
    STDOUT = 2
    STDERR = 3
    RESIZE = 4
    """JSON: `{"Width": columns, "Height": rows}`."""
    STATUS = 5
    """A Status as JSON, the node's last frame; exit codes as in Kubernetes' v4 channel protocol."""
    CLOSE = 6
    """Data is one byte: the channel whose sender has no more to send."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes on a channel."""

    channel: Channel
    data: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """The pod, and in it the container; a port-forward names no container."""

    namespace: str
    pod: str
    uid: str
    container: str = ""


@dataclass(frozen=True, slots=True)
class Logs:
    """Read a container's log, oldest first. None and the empty string leave a bound open."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time: str = ""
    """RFC 3339."""
    stream: str = ""
    """All, Stdout or Stderr."""


@dataclass(frozen=True, slots=True)
class Exec:
    """Run a command in a container."""

    command: tuple[str, ...]
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


@dataclass(frozen=True, slots=True)
class Attach:
    """Join the streams of a container's first process."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


@dataclass(frozen=True, slots=True)
class PortForward:
    """Connect to a port inside the pod; one stream is one connection."""

    port: int
    host: str = ""
    """An address of the pod; empty: its localhost."""


Request = Logs | Exec | Attach | PortForward


class StreamEnded(Exception):
    """The other side takes no more."""


class NodeStream(Protocol):
    """An open stream. Reading and writing may go on at the same time; each waits while the other side is slow."""

    async def read(self) -> Frame | None:
        """The next frame; None when the stream has ended, in order or by a lost connection (then without STATUS)."""

    async def write(self, frame: Frame) -> None:
        """Send a frame.

        Raises:
            StreamEnded: it cannot be delivered any more.
        """

    async def close(self) -> None:
        """End the stream and free what it holds on the node. Idempotent."""


class NodeStreams(Protocol):
    """Opens streams to nodes."""

    async def open_stream(self, node: str, target: Target, request: Request) -> NodeStream:
        """Ask `node` for a stream and wait until it has come.

        Raises:
            ServiceUnavailable: the node is not connected.
            Timeout: it is, but did not answer in time.
        """
