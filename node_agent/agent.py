"""All pods of the node: workers for what is assigned and for what still runs, woken by the runtime's events."""

import asyncio
import logging
from collections.abc import Callable

from node_agent.assignments import Assignments
from node_agent.env import API_NAMESPACE, API_SERVICE
from node_agent.network.services import leads
from node_agent.observed import pod_id
from node_agent.runtimes.base import PodId, RuntimeFailure, Services
from node_agent.tools import Tools
from node_agent.worker import PodWorker
from timonel.rpc import node_pb2
from timonel.tasks import end

logger = logging.getLogger(__name__)

RELOOK_SECONDS = 60.0
"""Every worker looks at its pod this often even without an event, should one be lost."""

RETRY_SECONDS = 2.0


class Agent:
    """Keeps the node's pods as assigned. ``node_changed`` is called when the node's object or network has changed."""

    def __init__(self, tools: Tools, assignments: Assignments, node_changed: Callable[[], None]) -> None:
        self._tools = tools
        self._assignments = assignments
        self._node_changed = node_changed
        self._workers: dict[str, PodWorker] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._adopted = False
        self._pod_cidr = ""
        self._services: Services = {}
        self._network_changed = asyncio.Event()
        self.network_problem = "the node has no pod CIDR yet"
        tools.pods = lambda: [worker.pod for worker in self._workers.values() if worker.pod is not None]

    @property
    def workers(self) -> list[PodWorker]:
        """One for each pod that is or was here and is not gone yet."""
        return list(self._workers.values())

    def worker(self, uid: str) -> PodWorker | None:
        """The worker of the pod with that uid."""
        return self._workers.get(uid)

    def start(self) -> None:
        """Begin to follow the runtime."""
        self._tasks.append(asyncio.create_task(self._follow_events(), name="runtime events"))
        self._tasks.append(asyncio.create_task(self._relook(), name="relook"))
        self._tasks.append(asyncio.create_task(self._keep_network(), name="network"))

    async def close(self) -> None:
        """Leave; the pods run on."""
        await asyncio.gather(end(self._tasks), *(worker.close() for worker in self._workers.values()))

    def take(self, message: node_pb2.Assignments) -> None:
        """Take assignments in. Raises OutOfStep when they do not continue the last."""
        changes = self._assignments.apply(message)
        if changes.node is not None:
            self._node_changed()
            self._pod_cidr = changes.node.spec.podCIDR or self._pod_cidr
            self._network_changed.set()
        if API_NAMESPACE in changes.touched:
            self._services = self._api()
            self._network_changed.set()
        for pod in changes.pods:
            self._worker_of(pod_id(pod)).assign(pod)
        for gone in changes.removed:
            if (worker := self._workers.get(gone.uid)) is not None:
                worker.unassign()
        for worker in self._workers.values():
            if worker.id.namespace in changes.touched:
                worker.refresh()
        if not self._adopted:
            self._adopted = True
            self._tasks.append(asyncio.create_task(self._take_over_orphans(), name="orphans"))

    def forget(self, pod: PodId) -> None:
        """Nothing is left of the pod here."""
        self._workers.pop(pod.uid, None)

    def _worker_of(self, pod: PodId) -> PodWorker:
        worker = self._workers.get(pod.uid)
        if worker is None or worker.finished:
            worker = self._workers[pod.uid] = PodWorker(pod, self._tools)
            worker.start()
        return worker

    def _api(self) -> Services:
        """Where the API's own service leads."""
        endpoints = self._assignments.endpoints(API_NAMESPACE, API_SERVICE)
        found = (s for s in self._assignments.services(API_NAMESPACE) if s.metadata.name == API_SERVICE)
        service = next(found, None)
        return leads(service, endpoints) if service and endpoints else {}

    async def _keep_network(self) -> None:
        """Have the network made as it was last assigned."""
        made: tuple[str, Services] | None = None
        while True:
            await self._network_changed.wait()
            self._network_changed.clear()
            wanted = self._pod_cidr, self._services
            if not self._pod_cidr or wanted == made:
                continue
            try:
                await self._tools.network.ready(*wanted)
            except RuntimeFailure as failure:
                self.network_problem = failure.message
                logger.warning("the pod network is not ready: %s", failure.message)
                await asyncio.sleep(RETRY_SECONDS)
                self._network_changed.set()
            else:
                made = wanted
                self.network_problem = ""
                self._tools.network_up.set()
                self._node_changed()

    async def _take_over_orphans(self) -> None:
        """Pods that run here but are no longer assigned, from before the agent's start, are taken down."""
        while True:
            try:
                found = await self._tools.runtime.pods()
            except RuntimeFailure as failure:
                logger.warning("cannot see what runs: %s", failure.message)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for observed in found:
                if observed.id.uid not in self._workers and observed.id.uid not in self._assignments.pod_uids():
                    logger.info("pod %s/%s is no longer assigned: removing it", observed.id.namespace, observed.id.name)
                    self._worker_of(observed.id)
            return

    async def _follow_events(self) -> None:
        while True:
            try:
                async for event in self._tools.runtime.events():
                    self._look(event.pod)
            except RuntimeFailure as failure:
                logger.warning("the runtime's events ended: %s", failure.message)
            await asyncio.sleep(RETRY_SECONDS)
            self._look(None)

    def _look(self, pod: PodId | None) -> None:
        if pod is None:
            for worker in self._workers.values():
                worker.look()
        elif (known := self._workers.get(pod.uid)) is not None:
            known.look()

    async def _relook(self) -> None:
        while True:
            await asyncio.sleep(RELOOK_SECONDS)
            self._look(None)
