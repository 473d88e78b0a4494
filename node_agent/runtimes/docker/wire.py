"""HTTP over the daemon's socket for what must not hold a thread: streams, upgrades and long waits.

The `docker` package blocks one thread for each of these; a node has hundreds of followed logs and execs.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from node_agent.http1 import Reply, exchange

_MAX_HEAD = 64 * 1024
_MAX_ERROR = 64 * 1024


async def refusal(reply: Reply) -> str:
    """The daemon's words in an answer that refuses."""
    text = await reply.start(_MAX_ERROR)
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace").strip() or f"HTTP {reply.status}"


async def request(
    socket: str,
    method: str,
    target: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    upgrade: bool = False,
) -> Reply:
    """Ask, and return when the head of the answer is here. Raises as `exchange`."""
    content = b"" if body is None else json.dumps(body).encode()
    fields = {
        "Host": "docker",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Connection": "Upgrade" if upgrade else "close",
        **({"Upgrade": "tcp"} if upgrade else {}),
        **(headers or {}),
    }
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
    reader, writer = await asyncio.open_unix_connection(socket, limit=_MAX_HEAD)
    try:
        return await exchange(reader, writer, head.encode() + content)
    except BaseException:
        writer.close()
        raise
