"""Docker's multiplexed stream: each piece of stdout or stderr behind 8 bytes, the stream's number and its length.

Source: Engine API, "Attach to a container", stream format.
"""

import struct

_HEADER = struct.Struct(">BxxxL")
STDOUT, STDERR = 1, 2


class Frames:
    """Takes the stream apart as it arrives; frames may be cut anywhere. With a tty there are no frames."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The whole frames that ``data`` completes, as (stream, payload)."""
        if self._tty:
            return [(STDOUT, data)] if data else []
        data = self._rest + data
        found, at = [], 0
        while len(data) - at >= _HEADER.size:
            stream, length = _HEADER.unpack_from(data, at)
            end = at + _HEADER.size + length
            if end > len(data):
                break
            found.append((STDERR if stream == STDERR else STDOUT, data[at + _HEADER.size : end]))
            at = end
        self._rest = data[at:]
        return found
