"""Sends what is written down to a server: in batches, from a bounded queue, so that no request waits for it."""

import asyncio
import logging

import aiohttp

from master.apiserver.audit.policy import API_VERSION
from timonel.kubeconfig import Access
from timonel.tasks import end

log = logging.getLogger(__name__)

QUEUED = 10_000
"""Events that wait; what comes when so many do is lost, which is told in the server's log."""
BATCH = 400
WAIT_SECONDS = 30.0
"""How long events wait for a batch to fill. Source of these three: kube-apiserver's --audit-webhook-batch-*."""
TRIES = 4
FIRST_PAUSE = 10.0
"""Seconds before a batch is sent again, doubled each time (--audit-webhook-initial-backoff)."""
ANSWER_SECONDS = 30.0
CLOSE_SECONDS = 5.0
"""How long closing waits for what is still to be sent."""


class AuditWebhook:
    """Posts EventLists to ``access.server``, which is a whole URL.

    Args:
        access: the server, and how one proves who one is to it.
        wait: seconds that events wait for a batch to fill.
    """

    def __init__(self, access: Access, wait: float = WAIT_SECONDS) -> None:
        self._access = access
        self._wait = wait
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED)
        self._batch: list[bytes] = []
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._losing = False

    async def start(self) -> None:
        """Begin to send.

        Raises:
            KubeconfigError: the certificates cannot be used.
        """
        headers = {"Authorization": f"Bearer {self._access.token}"} if self._access.token else {}
        connector = aiohttp.TCPConnector(ssl=self._access.tls())
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout)
        self._task = asyncio.create_task(self._run(self._session), name="audit webhook")

    def write(self, line: bytes) -> None:
        """Have an event sent."""
        try:
            self._queue.put_nowait(line)
        except asyncio.QueueFull:
            if not self._losing:
                log.error("the audit webhook %s does not keep up, and events are lost", self._access.server)
            self._losing = True
        else:
            self._losing = False

    async def close(self) -> None:
        """Send what waits, once and not for long. Idempotent."""
        if self._task is None or self._session is None:
            return
        await end([self._task])
        session, self._task, self._session = self._session, None, None
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._batch or not self._queue.empty():
                    while len(self._batch) < BATCH and not self._queue.empty():
                        self._batch.append(self._queue.get_nowait())
                    await self._post(session)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            log.error("events were not sent to the audit webhook %s: %s", self._access.server, error)
        finally:
            await session.close()

    async def _run(self, session: aiohttp.ClientSession) -> None:
        while True:
            self._batch.append(await self._queue.get())
            try:
                async with asyncio.timeout(self._wait):
                    while len(self._batch) < BATCH:
                        self._batch.append(await self._queue.get())
            except TimeoutError:
                pass
            await self._send(session)

    async def _send(self, session: aiohttp.ClientSession) -> None:
        """Send the batch, again while the server cannot take it; at last it is lost."""
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(FIRST_PAUSE * 2 ** (attempt - 1))
            try:
                await self._post(session)
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                log.warning("the audit webhook %s took no events: %s", self._access.server, error)
            else:
                return
        log.error("%d events are lost: the audit webhook %s took none", len(self._batch), self._access.server)
        self._batch.clear()

    async def _post(self, session: aiohttp.ClientSession) -> None:
        head = f'{{"kind":"EventList","apiVersion":"{API_VERSION}","metadata":{{}},"items":['.encode()
        body = head + b",".join(self._batch) + b"]}"
        headers = {"Content-Type": "application/json"}
        async with session.post(self._access.server, data=body, headers=headers, raise_for_status=True):
            self._batch.clear()
