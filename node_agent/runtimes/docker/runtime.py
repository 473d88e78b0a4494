"""The Docker runtime: every protocol of `base`, on one daemon, for one node."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from node_agent.runtimes.base import (
    ContainerSpec,
    Credentials,
    ExecResult,
    Image,
    LogQuery,
    ObservedPod,
    PodId,
    PullProgress,
    Resources,
    RuntimeEvent,
    RuntimeFailure,
    RuntimeInfo,
    RuntimeUnavailable,
    Sandbox,
    SandboxSpec,
    Terminal,
    UsageSample,
)
from node_agent.runtimes.docker import events, images, logs, names, stats, streams
from node_agent.runtimes.docker.client import DEFAULT_URL, Daemon
from node_agent.runtimes.docker.containers import Containers
from node_agent.runtimes.docker.observe import Observer
from node_agent.runtimes.docker.sandboxes import Sandboxes

_OLDEST_API = (1, 40)
"""Docker 19.03."""


class DockerRuntime:
    """Runtime, Images, Streams and Stats on Docker. The docstrings of `base` hold."""

    def __init__(self, *, cluster: str, node: str, base_url: str = DEFAULT_URL) -> None:
        self._daemon = Daemon(base_url)
        self._scope = names.Scope(cluster, node)
        self._observer = Observer(self._daemon, self._scope)
        self._sandboxes = Sandboxes(self._daemon, self._scope)
        self._containers = Containers(self._daemon, self._scope, self._sandboxes)
        self._cgroups: dict[str, stats.CgroupFiles] = {}
        self._about: RuntimeInfo | None = None

    async def info(self) -> RuntimeInfo:
        # The daemon's /info waits while a pull looks for its registry's address: a slow name server would make the
        # node look dead. So it is asked once a version; /version, which waits for nothing, shows that Docker lives.
        version = await self._daemon.version()
        if tuple(int(part) for part in version["ApiVersion"].split(".")) < _OLDEST_API:
            which = f"Docker {version['Version']} (API {version['ApiVersion']})"
            raise RuntimeUnavailable(f"{which} is too old: install Docker 19.03 (API 1.40) or newer")
        if self._about is None or self._about.version != version["Version"]:
            info = await self._daemon.ask("GET", "/info")
            self._about = RuntimeInfo("docker", version["Version"], info["OperatingSystem"])
        return self._about

    async def pods(self) -> list[ObservedPod]:
        return await self._observer.pods()

    async def pod(self, pod: PodId) -> ObservedPod:
        found = await self._observer.pods(pod)
        return next((observed for observed in found if observed.id == pod), ObservedPod(pod, (), ()))

    async def create_sandbox(self, spec: SandboxSpec) -> str:
        return await self._sandboxes.create(spec)

    async def run_sandbox(self, spec: SandboxSpec) -> Sandbox:
        return await self._sandboxes.run(spec)

    async def stop_sandbox(self, sandbox: str) -> None:
        await self._sandboxes.stop(sandbox)

    async def remove_sandbox(self, sandbox: str) -> None:
        await self._sandboxes.remove(sandbox)

    async def create_container(self, sandbox: str, spec: ContainerSpec) -> str:
        return await self._containers.create(sandbox, spec)

    async def start_container(self, container: str) -> None:
        try:
            await self._containers.start(container)
        except RuntimeFailure:
            self._observer.forget(container)  # the daemon sends no event of a start that failed
            raise

    async def stop_container(self, container: str, grace_seconds: float) -> None:
        await self._containers.stop(container, grace_seconds)

    async def remove_container(self, container: str) -> None:
        self._cgroups.pop(container, None)
        await self._containers.remove(container)

    async def update_container(self, container: str, resources: Resources) -> None:
        await self._containers.update(container, resources)
        self._observer.forget(container)

    def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        return events.follow(self._daemon, self._scope, self._observer)

    async def close(self) -> None:
        await self._daemon.close()

    async def image(self, name: str) -> Image | None:
        return await images.find(self._daemon, name)

    async def images(self) -> list[Image]:
        return await images.every(self._daemon)

    def pull(self, name: str, credentials: Credentials | None) -> AsyncIterator[PullProgress]:
        return images.pull(self._daemon, name, credentials)

    def logs(self, container: str, query: LogQuery) -> AsyncIterator[bytes]:
        return logs.read(self._daemon, container, query)

    async def exec(self, container: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Terminal:
        return (await streams.start_exec(self._daemon, container, command, stdin=stdin, tty=tty))[1]

    async def run(self, container: str, command: Sequence[str], timeout_seconds: float) -> ExecResult:
        return await streams.run(self._daemon, container, command, timeout_seconds)

    async def attach(self, container: str, *, stdin: bool, tty: bool) -> Terminal:
        return await streams.attach(self._daemon, container, stdin=stdin)

    async def usage(self, container: str) -> UsageSample | None:
        if container not in self._cgroups:
            inspected = await self._daemon.inspect(container)
            pid = inspected["State"]["Pid"] if inspected else 0
            found = stats.files_of(pid) if pid else None
            if found is None:
                return None
            self._cgroups[container] = found
        sample = stats.sample(self._cgroups[container])
        if sample is None:
            del self._cgroups[container]
        return sample
