"""One node: runtime, network, agent, session and node status put together, and their start and end."""

import asyncio
import uuid
from datetime import timedelta

from node_agent.agent import Agent
from node_agent.assignments import Assignments
from node_agent.credentials import NodeCredentials
from node_agent.events import PodEvents, node_event
from node_agent.fieldrefs import NodeFacts
from node_agent.images import ImageKeeper
from node_agent.node_status import (
    NodeConfig,
    RuntimeState,
    allocatable_amounts,
    changes,
    node_object,
    node_status,
    read_machine,
    stamped,
)
from node_agent.outbox import Outbox
from node_agent.runtimes.base import Image, Network, NodeRuntime, PodId, RuntimeFailure
from node_agent.session import Session, SessionParts
from node_agent.streams import StreamServer
from node_agent.tokens import TokenClient
from node_agent.tools import NodeSettings, Tools
from node_agent.usage import UsageMeter
from node_agent.volumes.pod_volumes import PodVolumes
from timonel.api import codec
from timonel.api.time import utc_now
from timonel.api.types import core_v1
from timonel.rpc import node_pb2
from timonel.tasks import end

STATUS_SECONDS = 10.0
DOWN_SECONDS = 2.0
"""How often the node looks at itself, and how often while its runtime does not answer."""
INFO_SECONDS = 5.0
IMAGES_SECONDS = 60.0
FULL_REPORT = timedelta(minutes=5)
"""How often a status that does not change is sent all the same."""

AGENT_VERSION = "0.1.0"


class Node:
    """A running node agent."""

    def __init__(
        self, config: NodeConfig, runtime: NodeRuntime, network: Network, address: str, credentials: NodeCredentials
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._network = network
        self._boot_id = str(uuid.uuid4())
        self._status: core_v1.NodeStatus | None = None
        self._sent_at = utc_now()
        self._images: list[Image] = []
        self._images_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._status_wanted = asyncio.Event()
        self._down = False
        self.outbox = Outbox()
        assignments = Assignments()
        events = PodEvents(self.outbox.event)
        facts = NodeFacts(config.name, config.addresses, {})
        self._settings = NodeSettings(facts, pids_limit=config.container_pids, unsafe_sysctls=config.unsafe_sysctls)
        tokens = TokenClient(self.outbox.message)
        tools = Tools(
            runtime=runtime,
            streams=runtime,
            network=network,
            images=ImageKeeper(runtime, assignments, events),
            volumes=PodVolumes(config.state_dir / "pods", secrets_in_memory=config.secrets_in_memory),
            tokens=tokens,
            refs=assignments,
            events=events,
            settings=self._settings,
            report=self._report,
        )
        self._pulls = tools.images
        self.agent = Agent(tools, assignments, self._status_wanted.set)
        shared = config.cpus is not None or config.memory_bytes is not None
        self._meter = UsageMeter(runtime, shared=shared)
        parts = SessionParts(
            agent=self.agent,
            outbox=self.outbox,
            tokens=tokens,
            streams=StreamServer(runtime, self.agent.worker),
            hello=self._hello,
            heartbeat=self._heartbeat,
            welcomed=self._welcomed,
        )
        self.session = Session(address, credentials, parts)

    async def look(self) -> None:
        """Look at the machine once; `start` needs it, and does it where it has not been done."""
        await self._refresh_status()

    async def start(self) -> None:
        """Work until `close`."""
        if self._status is None:
            await self.look()
        self.agent.start()
        self.session.start()
        self._tasks.append(asyncio.create_task(self._keep_status(), name="node status"))

    async def close(self) -> None:
        """Stop; pods run on."""
        await self.session.close()
        await end(self._tasks)
        await self.agent.close()
        await self._pulls.close()
        await self._network.close()
        await self._runtime.close()

    def _report(self, pod: PodId, status: core_v1.PodStatus | None) -> None:
        self.outbox.pod(pod, status)
        if status is None:
            self.agent.forget(pod)

    async def _hello(self) -> node_pb2.Hello:
        status = self._status or await self._refresh_status()
        return node_pb2.Hello(
            node_name=self._config.name,
            agent_version=AGENT_VERSION,
            node_json=codec.encode(node_object(self._config, stamped(status, utc_now()))),
            boot_id=self._boot_id,
        )

    async def _heartbeat(self) -> node_pb2.Heartbeat:
        return await self._meter.heartbeat(self.agent.workers)

    def _welcomed(self, welcome: node_pb2.Welcome) -> None:
        if welcome.cluster_domain:
            self._settings.cluster_domain = welcome.cluster_domain

    async def _keep_status(self) -> None:
        while True:
            try:
                async with asyncio.timeout(DOWN_SECONDS if self._down else STATUS_SECONDS):
                    await self._status_wanted.wait()
            except TimeoutError:
                pass
            self._status_wanted.clear()
            await self._refresh_status()

    async def _refresh_status(self) -> core_v1.NodeStatus:
        machine = await asyncio.to_thread(read_machine, self._config.state_dir)
        runtime = await self._ask_runtime()
        now, before = utc_now(), self._status
        self._down = runtime.info is None
        self._status = node_status(self._config, machine, runtime, now, before)
        name = self._config.name
        for reason in changes(before, self._status):
            self.outbox.event(node_event(name, reason, f"Node {name} status is now: {reason}"))
        self._settings.memory_bytes = machine.memory_bytes
        self._settings.facts = NodeFacts(self._config.name, self._config.addresses, allocatable_amounts(self._status))
        if self._status != before or now - self._sent_at > FULL_REPORT:
            self._sent_at = now
            self.outbox.node(stamped(self._status, now))
        return self._status

    async def _ask_runtime(self) -> RuntimeState:
        problem = self.agent.network_problem
        try:
            async with asyncio.timeout(INFO_SECONDS):
                info = await self._runtime.info()
                loop = asyncio.get_running_loop()
                if loop.time() >= self._images_at:
                    self._images = await self._runtime.images()
                    self._images_at = loop.time() + IMAGES_SECONDS
        except RuntimeFailure as failure:
            return RuntimeState(None, failure.message, problem, self._images)
        except TimeoutError:
            return RuntimeState(None, f"no answer within {INFO_SECONDS:g} s", problem, self._images)
        return RuntimeState(info, "", problem, self._images)
