"""The Docker daemon as the rest of this package calls it: with a deadline, and with its refusals as our errors.

Calls go over `wire`: the `docker` package takes 9 MiB of an idle agent and a thread for each call. It is imported only
where an image has to be made.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from node_agent.http1 import Reply
from node_agent.runtimes.base import RuntimeFailure, RuntimeUnavailable
from node_agent.runtimes.docker import wire

if TYPE_CHECKING:
    import docker

T = TypeVar("T")

DEFAULT_URL = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
"""Chosen as every Docker client does."""
QUICK_SECONDS = 15.0
"""For calls that read, or change little."""
SLOW_SECONDS = 90.0
"""For starts and removals, which queue behind each other in a busy daemon."""
_QUICK, _SLOW = 4, 8
"""How many calls of either kind are under way at once; apart, so that a look does not wait behind a hundred starts."""


class Refused(RuntimeFailure):
    """The daemon answered no. ``status`` is its HTTP code: 404 absent, 409 conflict."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__("ContainerRuntimeError", message)
        self.status = status


class Daemon:
    """One Docker daemon, on this machine's socket."""

    def __init__(self, base_url: str = DEFAULT_URL) -> None:
        """``base_url`` is unix:///path: the agent enters its containers' namespaces, so both are on one machine."""
        if not base_url.startswith("unix://"):
            raise ValueError(f"Docker at {base_url}: the node agent needs its own machine's daemon, at unix:///path")
        self.url = base_url
        self.socket = base_url.removeprefix("unix://")
        self._quick, self._slow = asyncio.Semaphore(_QUICK), asyncio.Semaphore(_SLOW)
        self._api_version = ""
        self._closed = False

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        seconds: float = QUICK_SECONDS,
    ) -> Any:
        """A whole answer, parsed; None for an empty one. Waits its turn: see `_QUICK` and `_SLOW`.

        Raises Refused; RuntimeUnavailable when there is no answer in time.
        """
        turn = self._slow if seconds > QUICK_SECONDS else self._quick
        async with self._answering(seconds), turn:
            answer = await self.send(method, path, query, body=body, seconds=seconds)
            return json.loads(answer) if answer else None

    async def with_package(self, use: Callable[["docker.APIClient"], T]) -> T:
        """Run ``use`` with a client of the `docker` package, in a thread: for what is rare, as the package is big.

        Raises Refused; RuntimeUnavailable when there is no answer in time.
        """
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                return await asyncio.to_thread(self._use, use)
        except TimeoutError:
            raise self.unavailable(f"no answer within {SLOW_SECONDS:g} s") from None

    def _use(self, use: Callable[["docker.APIClient"], T]) -> T:
        import docker
        from docker.errors import APIError, DockerException

        try:
            client = docker.APIClient(base_url=self.url, version="auto", timeout=int(SLOW_SECONDS))
            with contextlib.closing(client):
                return use(client)
        except APIError as error:
            raise Refused(error.status_code or 500, str(error.explanation or error)) from error
        except (DockerException, OSError) as error:  # what `requests` raises is an OSError
            raise self.unavailable(str(error)) from error

    async def create(self, name: str, config: dict[str, Any]) -> str:
        """Create a container; its id. Raises as `ask`."""
        made = await self.ask("POST", "/containers/create", {"name": name}, body=config)
        return str(made["Id"])

    async def start(self, container: str) -> None:
        """Start a container; one that runs is success. Raises as `ask`."""
        await self.ask("POST", f"/containers/{container}/start", seconds=SLOW_SECONDS)

    async def kill(self, container: str) -> None:
        """Send SIGKILL. Raises as `ask`."""
        await self.ask("POST", f"/containers/{container}/kill")

    async def inspect(self, container: str) -> dict[str, Any] | None:
        """A container by name or id; None when there is none. Raises as `ask`."""
        return await self._find(f"/containers/{container}/json", {404})

    async def inspect_image(self, name: str) -> dict[str, Any] | None:
        """An image by name or id; None when there is none, or can be none of that name. Raises as `ask`."""
        return await self._find(f"/images/{name}/json", {400, 404})

    async def _find(self, path: str, absent: Container[int]) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self.ask("GET", path)
        except Refused as refusal:
            if refusal.status in absent:
                return None
            raise
        return found

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = QUICK_SECONDS,
    ) -> AsyncIterator[Reply]:
        """An answer to stream; ``seconds`` is for its head. Raises as `ask`, also when the stream breaks."""
        reply = await self.begin(method, path, query, body=body, headers=headers, seconds=seconds)
        try:
            yield reply
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise self.unavailable(f"the connection broke: {error}") from error
        finally:
            await reply.close()

    async def begin(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        upgrade: bool = False,
        seconds: float = QUICK_SECONDS,
    ) -> Reply:
        """As `open`, but the caller owns the answer and closes it; ``upgrade`` asks for a raw connection both ways."""
        if self._closed:
            raise self.unavailable("this client is closed")
        async with self._answering(seconds):
            if not self._api_version:
                await self._ask_version()
            target = f"/v{self._api_version}{quote(path, safe='/:@')}"
            target += f"?{urlencode(query)}" if query else ""
            reply = await wire.request(self.socket, method, target, body=body, headers=headers, upgrade=upgrade)
            if reply.status < 400:
                return reply
            refusal = Refused(reply.status, await wire.refusal(reply))
            await reply.close()
            raise refusal

    async def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        seconds: float = QUICK_SECONDS,
    ) -> bytes:
        """A whole answer within ``seconds``, for waits that must not hold a thread. Raises as `ask`."""
        async with self._answering(seconds), self.open(method, path, query, body=body, seconds=seconds) as reply:
            return b"".join([chunk async for chunk in reply.chunks()])

    @asynccontextmanager
    async def _answering(self, seconds: float) -> AsyncIterator[None]:
        """Give what is done inside so long. Raises RuntimeUnavailable when it takes longer, or the answer is broken."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise self.unavailable(f"no answer within {seconds:g} s") from None
        except (OSError, EOFError, asyncio.LimitOverrunError, ValueError, LookupError, TypeError) as error:
            raise self.unavailable(str(error)) from error

    def unavailable(self, why: str) -> RuntimeUnavailable:
        """The error for a daemon that does not answer."""
        return RuntimeUnavailable(f"Docker at {self.url} does not answer: {why}; check that the daemon runs")

    async def version(self) -> dict[str, Any]:
        """What the daemon is. From now on it is spoken to in its newest API. Raises RuntimeUnavailable."""
        async with self._answering(QUICK_SECONDS):
            return await self._ask_version()

    async def _ask_version(self) -> dict[str, Any]:
        reply = await wire.request(self.socket, "GET", "/version")
        try:
            told: dict[str, Any] = json.loads(b"".join([chunk async for chunk in reply.chunks()]))
        finally:
            await reply.close()
        self._api_version = str(told["ApiVersion"])
        return told

    async def close(self) -> None:
        """Take no more calls."""
        self._closed = True
