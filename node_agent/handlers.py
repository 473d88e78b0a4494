"""Carries out the actions of probes and lifecycle hooks, once. A check that fails is a verdict, not an exception."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from node_agent.http_get import Address, HTTPProblem, get
from node_agent.ports import PortUnknown, port_number
from node_agent.runtimes.base import RuntimeFailure, Streams
from timonel.api.types import core_v1

MAX_OUTPUT = 10 * 1024


class Verdict(StrEnum):
    """What a probe found. UNKNOWN means that the probe itself did not work, and changes nothing."""

    SUCCESS = "Success"
    FAILURE = "Failure"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and what to tell about it."""

    verdict: Verdict
    text: str = ""

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.verdict is Verdict.SUCCESS


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask: a running container and its pod's address."""

    container_id: str
    container: core_v1.Container
    address: str


OK = Outcome(Verdict.SUCCESS)


async def check(probe: core_v1.Probe, target: Target, streams: Streams) -> Outcome:
    """Ask once, within the probe's timeout."""
    seconds = float(probe.timeoutSeconds or 1)
    try:
        if probe.exec is not None:
            return await run_command(streams, target.container_id, probe.exec.command, seconds)
        if probe.grpc is not None:
            from node_agent.grpc_health import health  # few pods need it, and it costs memory

            return await health(target.address, probe.grpc.port, probe.grpc.service or "", seconds)
        async with asyncio.timeout(seconds):
            if probe.httpGet is not None:
                return await http_get(probe.httpGet, target)
            if probe.tcpSocket is not None:
                return await tcp_connect(probe.tcpSocket, target)
    except TimeoutError:
        return Outcome(Verdict.FAILURE, _timeout_text(probe, seconds))
    except PortUnknown as error:
        return Outcome(Verdict.UNKNOWN, str(error))
    return Outcome(Verdict.UNKNOWN, "missing probe handler")


async def run_command(streams: Streams, container_id: str, command: Sequence[str], seconds: float) -> Outcome:
    """Run a command in the container; its exit code decides."""
    try:
        result = await streams.run(container_id, command, seconds)
    except TimeoutError:
        return Outcome(Verdict.FAILURE, f"command timed out: {' '.join(command)!r} timed out after {seconds:g}s")
    except RuntimeFailure as failure:
        return Outcome(Verdict.UNKNOWN, failure.message)
    text = result.output[:MAX_OUTPUT].decode(errors="replace")
    return Outcome(Verdict.SUCCESS if result.exit_code == 0 else Verdict.FAILURE, text)


async def http_get(action: core_v1.HTTPGetAction, target: Target) -> Outcome:
    """Ask by HTTP; 200 to 399 is success. Raises PortUnknown; the caller sets the deadline."""
    host = action.host or target.address
    path = action.path or "/"
    port = port_number(action.port, target.container)
    address = Address((action.scheme or "HTTP").lower(), host, port, path if path.startswith("/") else "/" + path)
    url = f"{address.scheme}://{host}:{address.port}{address.path}"
    try:
        answer = await get(address, [(h.name, h.value) for h in action.httpHeaders])
    except (HTTPProblem, OSError) as error:
        return Outcome(Verdict.FAILURE, f'Get "{url}": {_words(error, host, port)}')
    body = answer.body.decode(errors="replace")
    if answer.left:
        return Outcome(Verdict.SUCCESS, f"Probe terminated redirects, Response body: {body}")
    if 200 <= answer.status < 400:
        return Outcome(Verdict.SUCCESS, body)
    return Outcome(Verdict.FAILURE, f"HTTP probe failed with statuscode: {answer.status}")


async def tcp_connect(action: core_v1.TCPSocketAction, target: Target) -> Outcome:
    """Connect and leave. Raises PortUnknown; the caller sets the deadline."""
    host, port = action.host or target.address, port_number(action.port, target.container)
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return Outcome(Verdict.FAILURE, _words(error, host, port))
    writer.transport.abort()
    return OK


def _words(error: Exception, host: str, port: int) -> str:
    """As Go's net package puts it, which users know."""
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {host}:{port}: connection reset by peer"
    return str(error) or type(error).__name__


def _timeout_text(probe: core_v1.Probe, seconds: float) -> str:
    if probe.httpGet is not None:
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    return f"timeout: failed within {seconds:g}s"
