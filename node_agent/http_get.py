"""A tiny HTTP/1.1 GET for probes and hooks: no connection is kept, certificates are not verified, bodies are cut."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from node_agent.http1 import exchange

MAX_BODY = 10 * 1024
MAX_REDIRECTS = 10


class HTTPProblem(Exception):
    """No answer, or one that is no HTTP."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to ask."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``location`` is set on redirects, ``left`` when one to another host was not followed."""

    status: int
    body: bytes
    location: str = ""
    left: bool = False


async def get(address: Address, headers: Sequence[tuple[str, str]]) -> Answer:
    """GET, following redirects on the same host. Raises HTTPProblem, OSError; the caller sets the deadline."""
    for _ in range(MAX_REDIRECTS):
        answer = await _ask(address, headers)
        if not 300 <= answer.status < 400 or not answer.location:
            return answer
        target = _redirected(address, answer.location)
        if target.host != address.host:
            return Answer(answer.status, answer.body, answer.location, left=True)
        address = target
    raise HTTPProblem(f"stopped after {MAX_REDIRECTS} redirects")


def request_bytes(address: Address, headers: Sequence[tuple[str, str]]) -> bytes:
    """The request as it is sent. An own Host header replaces ours."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    given = {name.lower() for name, _ in headers}
    lines = [f"GET {address.path} HTTP/1.1"]
    defaults = {"Host": f"{host}:{address.port}", "User-Agent": "kube-probe/1.35", "Accept": "*/*"}
    lines += [f"{name}: {value}" for name, value in defaults.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers if value or name.lower() not in ("user-agent", "accept")]
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode()


def _redirected(address: Address, location: str) -> Address:
    host = f"[{address.host}]" if ":" in address.host else address.host
    parts = urlsplit(urljoin(f"{address.scheme}://{host}:{address.port}{address.path}", location))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    query = f"?{parts.query}" if parts.query else ""
    return Address(parts.scheme, parts.hostname or "", port, (parts.path or "/") + query)


async def _ask(address: Address, headers: Sequence[tuple[str, str]]) -> Answer:
    secure = _unverified() if address.scheme == "https" else None
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=secure)
    try:
        reply = await exchange(reader, writer, request_bytes(address, headers))
        return Answer(reply.status, await reply.start(MAX_BODY), reply.headers.get("location", ""))
    except (EOFError, asyncio.LimitOverrunError, ValueError) as error:
        raise HTTPProblem(f"malformed HTTP response: {error}") from error
    finally:
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
