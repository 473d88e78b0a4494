"""Pod sandboxes: pause containers that hold the pod's namespaces."""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from node_agent import namespaces
from node_agent.runtimes.base import RuntimeFailure, Sandbox, SandboxSpec
from node_agent.runtimes.docker import config, images_local, names
from node_agent.runtimes.docker.client import SLOW_SECONDS, Daemon, Refused
from node_agent.runtimes.docker.ensure import create_or_find, kill, remove
from node_agent.runtimes.docker.observe import sandbox_of

log = logging.getLogger(__name__)

_CANNOT_MAKE_NETWORK = 77
"""pause.c's exit code."""
_NETWORK_SECONDS = 5.0
_CAP_SYS_RESOURCE = 24


def _may_lower_oom_scores() -> bool:
    """Whether this machine grants CAP_SYS_RESOURCE; some virtual machines and containers do not, to nobody."""
    status = Path("/proc/self/status").read_text().splitlines()
    bounds = next(line for line in status if line.startswith("CapBnd:"))
    return bool(int(bounds.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)


class Sandboxes:
    """Makes and removes this node's sandboxes."""

    def __init__(self, daemon: Daemon, scope: names.Scope) -> None:
        self._daemon = daemon
        self._scope = scope
        self._pause: images_local.Pause | None = None
        self._joins: dict[str, config.Joins] = {}
        self._waiting: dict[str, str] = {}
        """By name, those that we created and have not been asked to start."""
        self._lock = asyncio.Lock()
        self.abilities = config.Abilities(own_network=False, negative_oom_score=_may_lower_oom_scores())

    async def prepare(self) -> images_local.Pause:
        """Have the pause image, and know what the daemon can; once."""
        async with self._lock:
            if self._pause is None:
                image = await self._daemon.inspect_image(images_local.pause_name())
                if image is None:
                    self._pause = await self._daemon.with_package(images_local.ensure_pause)
                else:
                    self._pause = images_local.pause_of(image)
                info = await self._daemon.ask("GET", "/info")
                remapped = {"name=userns", "name=rootless"} & set(info.get("SecurityOptions") or [])
                own = self._pause.makes_network and not remapped
                self.abilities = replace(self.abilities, own_network=own)
                if not self.abilities.negative_oom_score:
                    log.warning("CAP_SYS_RESOURCE is missing on this machine: negative OOM scores are left out")
            return self._pause

    async def create(self, spec: SandboxSpec) -> str:
        """Create or find the sandbox of (pod, attempt). One that has ended is replaced: its namespaces are gone."""
        try:
            try:
                return await self._create(spec)
            except Refused as refusal:
                if refusal.status != 404:
                    raise
                self._pause = None  # somebody removed the image
                return await self._create(spec)
        except Refused as refusal:
            raise RuntimeFailure("CreatePodSandboxError", refusal.message) from refusal

    async def _create(self, spec: SandboxSpec) -> str:
        pause = await self.prepare()
        name = self._scope.name(spec.pod, spec.attempt)
        wanted = config.sandbox_config(self._scope, spec, pause.image, self.abilities)
        sandbox, new = await create_or_find(self._daemon, name, wanted, _is_usable)
        if new:
            self._joins[sandbox] = config.joins({**wanted, "Id": sandbox, "Config": wanted})
            self._waiting[name] = sandbox
        return sandbox

    async def run(self, spec: SandboxSpec) -> Sandbox:
        """Start it, created if need be, or return the one that runs."""
        sandbox = self._waiting.pop(self._scope.name(spec.pod, spec.attempt), None) or await self.create(spec)
        try:
            await self._daemon.start(sandbox)
        except Refused as refusal:
            raise RuntimeFailure("CreatePodSandboxError", refusal.message) from refusal
        inspected = await self._daemon.inspect(sandbox)
        if inspected is None:
            raise RuntimeFailure("CreatePodSandboxError", f"sandbox {sandbox[:12]} was removed while it started")
        pid = inspected["State"]["Pid"]
        if inspected["Config"]["Cmd"] == config.MAKE_NETWORK:
            if not await _in_own_network(pid):
                await self._do_without_own_network(inspected)
                return await self.run(spec)
            await asyncio.to_thread(_set_sysctls, pid, config.network_sysctls(spec))
        if not inspected["State"]["Running"]:
            raise RuntimeFailure(
                "CreatePodSandboxError",
                f"sandbox {sandbox[:12]} ended at once with exit code {inspected['State']['ExitCode']}",
            )
        return sandbox_of(inspected, spec.pod)

    async def _do_without_own_network(self, inspected: dict[str, Any]) -> None:
        # Docker may be a moment behind: what it says of a process that has just ended is not its exit code yet.
        ended = await self._daemon.ask("POST", f"/containers/{inspected['Id']}/wait")
        code = ended["StatusCode"]
        await self.remove(inspected["Id"])
        if code != _CANNOT_MAKE_NETWORK:
            raise RuntimeFailure("CreatePodSandboxError", f"the sandbox ended while it started, with {code}")
        log.warning("the pause program may not make network namespaces here: Docker makes them, more slowly")
        self.abilities = replace(self.abilities, own_network=False)

    async def joins(self, sandbox: str) -> config.Joins:
        """What containers take from it. Raises RuntimeFailure when it is absent."""
        if sandbox not in self._joins:
            inspected = await self._daemon.inspect(sandbox)
            if inspected is None:
                raise RuntimeFailure("CreateContainerError", f"the sandbox {sandbox[:12]} is gone")
            self._joins[sandbox] = config.joins(inspected)
        return self._joins[sandbox]

    async def stop(self, sandbox: str) -> None:
        """Kill it; done already is success."""
        await kill(self._daemon, sandbox, SLOW_SECONDS)

    async def remove(self, sandbox: str) -> None:
        """Remove it, running or not; done already is success."""
        self._joins.pop(sandbox, None)
        self._waiting = {name: waiting for name, waiting in self._waiting.items() if waiting != sandbox}
        await remove(self._daemon, sandbox)


def _is_usable(inspected: dict[str, Any]) -> bool:
    return bool(inspected["State"]["Running"] or inspected["State"]["Status"] == "created")


def _set_sysctls(pid: int, values: Mapping[str, str]) -> None:
    """Raises RuntimeFailure when the kernel refuses one."""

    def write() -> None:
        for name, value in values.items():
            namespaces.set_sysctl(name, value)

    try:
        namespaces.inside(pid, write)
    except OSError as error:
        raise RuntimeFailure("CreatePodSandboxError", f"cannot set the pod's sysctls: {error}") from error


async def _in_own_network(pid: int) -> bool:
    """Wait until the pause program has left the host's network namespace; False when it ended instead."""
    deadline = time.monotonic() + _NETWORK_SECONDS
    while pid and time.monotonic() < deadline:
        try:
            if namespaces.has_own_network(pid):
                return True
        except OSError:
            return False
        await asyncio.sleep(0.0005)
    return False
