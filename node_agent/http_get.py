"""A tiny HTTP/1.1 GET for probes and hooks: no connection is kept, certificates are not verified, bodies are cut."""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

MAX_BODY = 10 * 1024
MAX_REDIRECTS = 10
_MAX_HEADER_LINES = 256


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
        writer.write(request_bytes(address, headers))
        await writer.drain()
        return await _read_answer(reader)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise HTTPProblem(f"malformed HTTP response: {error}") from error
    finally:
        writer.transport.abort()


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    status = 100
    fields: dict[str, str] = {}
    while 100 <= status < 200:
        first = (await reader.readuntil(b"\n")).decode("latin-1").split(None, 2)
        if len(first) < 2 or not first[0].startswith("HTTP/"):
            raise HTTPProblem("malformed HTTP response")
        status = int(first[1])
        fields = await _read_fields(reader)
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
    else:
        body = await _read_up_to(reader, min(int(fields.get("content-length", MAX_BODY)), MAX_BODY))
    return Answer(status, body, fields.get("location", ""))


async def _read_fields(reader: asyncio.StreamReader) -> dict[str, str]:
    fields: dict[str, str] = {}
    for _ in range(_MAX_HEADER_LINES):
        line = (await reader.readuntil(b"\n")).decode("latin-1").strip()
        if not line:
            return fields
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    raise HTTPProblem("too many header lines")


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while len(body) < MAX_BODY:
        size = int((await reader.readuntil(b"\n")).split(b";")[0], 16)
        if size == 0:
            break
        body += await _read_up_to(reader, min(size, MAX_BODY - len(body)))
        await reader.readuntil(b"\n")
    return body


async def _read_up_to(reader: asyncio.StreamReader, size: int) -> bytes:
    body = b""
    while len(body) < size and (data := await reader.read(size - len(body))):
        body += data
    return body


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
