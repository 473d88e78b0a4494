"""A cluster on Docker as its users have it, for the tests of the whole.

It runs in a network namespace with a Docker daemon of its own, so that tests may stop and hang that daemon, and so that
what is left after `timonel down` can be told from what was there before.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib import error, request

import pytest

from node_agent.volumes.mounts import unmount_all_under
from timonel import kubeconfig
from timonel.api.errors import NotFound
from timonel.client import Client

T = TypeVar("T")
Object = dict[str, Any]

IMAGE = "busybox:1.35.0"
NAME = "e2e"
OTHER_RUNTIME = "other"
"""What RuntimeClasses may choose beside Docker's usual runtime; it is the same program."""
CLONE_NEWNET = 0x40000000
POLL_SECONDS = 0.05
TIMONEL = Path(sys.executable).parent / "timonel"


def wait_for(condition: Callable[[], T], seconds: float, what: str) -> T:
    """The condition's first true value. Fails when there is none in time; says what was last seen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:g} s still not: {what}")
        time.sleep(POLL_SECONDS)


class Dockerd:
    """A Docker daemon, with all that it has in a directory of its own."""

    def __init__(self, host: Host, directory: Path, *options: str) -> None:
        directory.mkdir(exist_ok=True)
        self.url = f"unix://{directory}/docker.sock"
        self.log = directory / "dockerd.log"
        self._host = host
        self._exec_root = directory / "exec-root"
        command = ["dockerd", f"--host={self.url}", f"--pidfile={directory}/docker.pid", "--log-level=warn"]
        folders = [f"--data-root={directory}/data-root", f"--exec-root={self._exec_root}"]
        self._command = host.command(*command, *folders, *options)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        asks = ("docker", f"--host={self.url}", "version")
        wait_for(lambda: self._host.run(*asks, check=False).returncode == 0, 30, "dockerd answers")

    def stop(self) -> None:
        """Stop it as an init system does; its containers end."""
        self.signal(signal.SIGTERM)
        assert self._process is not None
        self._process.wait(30)

    def end(self) -> None:
        """Stop it if it runs, and free what it has mounted."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.stop()
        unmount_all_under(self._exec_root.parent)

    def kill(self) -> None:
        """Kill it and its containerd, and all containers, as a loss of power does."""
        assert self._process is not None
        containerd = int((self._exec_root / "containerd" / "containerd.pid").read_text())
        pids = self.docker("ps", "-q").split()
        inits = [int(pid) for pid in self.docker("inspect", "-f", "{{.State.Pid}}", *pids).split()] if pids else []
        for pid in (self._process.pid, containerd, *inits):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        wait_for(lambda: not alive(containerd), 20, "containerd is gone")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def docker(self, *arguments: str) -> str:
        """The output of a docker command."""
        return self._host.run("docker", f"--host={self.url}", *arguments).stdout.strip()


class Host:
    """A network namespace with its own dockerd."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = f"tme2e-{os.getpid()}"
        self.dockerd = Dockerd(self, directory / "docker", "--bip=10.245.0.1/24", f"--add-runtime={OTHER_RUNTIME}=runc")
        mine = {"DOCKER_HOST": self.dockerd.url, "TIMONEL_HOME": str(directory / "home"), "NO_COLOR": "1"}
        self.env = {**os.environ, **mine}
        self._inside = concurrent.futures.ThreadPoolExecutor(8, "in-network", initializer=self._enter)

    def _enter(self) -> None:
        with Path(f"/run/netns/{self.name}").open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot enter the network namespace")

    def open(self) -> None:
        """Make the namespace, with an address and a route by which nodes find it, and start dockerd.

        It reaches no name server and no registry, so that pulls fail at once.
        """
        for command in (
            f"ip netns add {self.name}",
            f"ip -n {self.name} link set lo up",
            f"ip -n {self.name} link add eth0 type veth peer name wire",
            f"ip -n {self.name} link set wire up",
            f"ip -n {self.name} addr add 10.77.0.11/24 dev eth0",
            f"ip -n {self.name} link set eth0 up",
            f"ip -n {self.name} route add 192.0.2.0/24 dev eth0",
        ):
            subprocess.run(command.split(), check=True)
        self.dockerd.start()

    def close(self) -> None:
        """Stop dockerd and remove the namespace and all files."""
        self._inside.shutdown()
        self.dockerd.stop()
        unmount_all_under(self.directory)
        shutil.rmtree(self.directory)
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def command(self, *command: str) -> list[str]:
        """The command, made to run in the namespace."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def run(
        self, *command: str, stdin: str = "", check: bool = True, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace. Fails on another exit code than 0, with what it said."""
        done = subprocess.run(
            self.command(*command), input=stdin, capture_output=True, text=True, env=self.env, timeout=seconds
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} exited {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done

    def docker(self, *arguments: str) -> str:
        """The output of a docker command."""
        return self.dockerd.docker(*arguments)

    def inside(self, function: Callable[[], T]) -> T:
        """The result of a function that runs in the namespace, in a thread."""
        return self._inside.submit(function).result(60)

    def http(self, url: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """(status, body) of a GET from the host; (0, reason) when there is no answer within two seconds."""

        def get() -> tuple[int, str]:
            try:
                with request.urlopen(request.Request(url, headers=headers or {}), timeout=2) as answer:
                    return int(answer.status), answer.read().decode()
            except error.HTTPError as refusal:
                return refusal.code, refusal.read().decode()
            except OSError as failure:
                return 0, str(failure)

        return self.inside(get)

    def leftovers(self) -> list[str]:
        """What there is of Timonel: containers, links, packet rules, mounts."""
        found = self.docker("ps", "-aq", "--filter", "label=timonel.io/cluster").split()
        links = json.loads(self.run("ip", "-j", "link").stdout)
        found += [link["ifname"] for link in links if link["ifname"].startswith("tm")]
        rules = self.run("nft", "list", "ruleset").stdout + self.run("iptables-save").stdout
        found += [line for line in rules.splitlines() if "timonel" in line]
        home = self.env["TIMONEL_HOME"]
        return found + [line for line in Path("/proc/mounts").read_text().splitlines() if home in line]


class Api:
    """The async client, for tests that are not: its loop runs in a thread in the host's network."""

    def __init__(self, host: Host, config: Path) -> None:
        self._loop: asyncio.AbstractEventLoop
        ready = threading.Event()

        def work() -> None:
            host._enter()
            self._loop = asyncio.new_event_loop()
            self._loop.call_soon(ready.set)
            self._loop.run_forever()
            self._loop.close()

        self._thread = threading.Thread(target=work, name="api client", daemon=True)
        self._thread.start()
        ready.wait(10)
        self.client = self.call(self._client(config))

    @staticmethod
    async def _client(config: Path) -> Client:
        return Client(kubeconfig.load(config))

    def call(self, work: Coroutine[Any, Any, T], seconds: float = 30) -> T:
        """The result of a coroutine that uses the client."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def close(self) -> None:
        """Close the client and its loop."""
        self.call(self.client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Cluster:
    """The cluster as its users have it."""

    def __init__(self, host: Host, name: str = NAME) -> None:
        self.host = host
        self.name = name
        self.root = Path(host.env["TIMONEL_HOME"]) / "clusters" / name
        self.kubeconfig = self.root / "master" / "admin.kubeconfig"
        self.api: Api

    def up(self, *arguments: str) -> str:
        """`timonel up`: start what does not run."""
        return self.host.run(str(TIMONEL), "up", "--name", self.name, *arguments, seconds=180).stdout

    def down(self) -> None:
        """`timonel down`: remove every trace."""
        self.host.run(str(TIMONEL), "down", "--name", self.name, seconds=120)

    def processes(self) -> dict[str, Object]:
        """`timonel status -o json`, by name."""
        status = json.loads(self.host.run(str(TIMONEL), "status", "--name", self.name, "-o", "json").stdout)
        return {process["name"]: process for process in status["processes"]}

    def kill(self, name: str) -> float:
        """SIGKILL a process; the time (time.monotonic) at which it was done."""
        os.kill(self.processes()[name]["pid"], signal.SIGKILL)
        killed = time.monotonic()
        wait_for(lambda: not self.processes()[name]["running"], 10, f"{name} has ended")
        return killed

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True, seconds: float = 60) -> str:
        """The output of a kubectl command, errors included where they are not checked."""
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        done = self.host.run(*command, stdin=stdin, check=check, seconds=seconds)
        return done.stdout if check else done.stdout + done.stderr

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """An object; None when there is none."""

        async def read() -> Object | None:
            try:
                return await self.api.client.kind(kind).get(namespace, name)
            except NotFound:
                return None

        return self.api.call(read())

    def list(self, kind: str, namespace: str = "", **selectors: str) -> list[Object]:
        """The objects that the selectors (labels, fields) choose."""
        return self.api.call(self.api.client.kind(kind).list(namespace, **selectors)).items

    def node_ready(self, name: str) -> str:
        """The status of a node's Ready condition."""
        node = self.get("nodes", name) or {"status": {}}
        return next((c["status"] for c in node["status"].get("conditions", ()) if c["type"] == "Ready"), "")

    def wait_nodes_ready(self, seconds: float = 30) -> None:
        """Wait until all three nodes are Ready and take pods."""

        def ready() -> bool:
            nodes = self.list("nodes")
            return all(self.node_ready(n["metadata"]["name"]) == "True" and not n["spec"].get("taints") for n in nodes)

        wait_for(ready, seconds, "all nodes are ready")


@dataclass
class Namespace:
    """A namespace of one test."""

    cluster: Cluster
    name: str

    @property
    def host(self) -> Host:
        """Where the cluster runs."""
        return self.cluster.host

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True, seconds: float = 60) -> str:
        """The output of a kubectl command in this namespace."""
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin, check=check, seconds=seconds)

    def apply(self, *objects: Object) -> str:
        """`kubectl apply` of these objects."""
        return self.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

    def create(self, kind: str, obj: Object) -> Object:
        """Create an object."""
        api = self.cluster.api
        return api.call(api.client.kind(kind).create(obj, namespace=self.name))

    def patch(self, kind: str, name: str, patch: Object) -> Object:
        """Change an object by a merge patch."""
        api = self.cluster.api
        return api.call(api.client.kind(kind).patch(self.name, name, patch))

    def delete(self, kind: str, name: str, grace: int | None = None) -> None:
        """Delete an object."""
        api = self.cluster.api
        api.call(api.client.kind(kind).delete(self.name, name, grace_seconds=grace))

    def config_map(self, name: str, **data: str) -> None:
        """Create a ConfigMap."""
        self.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})

    def secret(self, name: str, **data: str) -> None:
        """Create a Secret."""
        self.create("secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})

    def pod(self, name: str, script: str = "", *, labels: dict[str, str] | None = None, **fields: Any) -> Object:
        """Create a pod of one container `c` that runs a shell script (by default: waits to be stopped).

        `fields` are the container's where it has them, else the pod spec's.
        """
        own = {key: fields.pop(key) for key in list(fields) if key in CONTAINER_FIELDS}
        spec = {"terminationGracePeriodSeconds": 1, "containers": [container("c", script, **own)], **fields}
        metadata = {"name": name, "labels": labels or {}}
        return self.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def get(self, kind: str, name: str) -> Object | None:
        """An object of this namespace; None when there is none."""
        return self.cluster.get(kind, name, self.name)

    def pods(self, labels: str = "") -> list[Object]:
        """The pods that are not being deleted."""
        found = self.cluster.list("pods", self.name, labels=labels)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def wait_pod(self, name: str, condition: Callable[[Object], Any], seconds: float = 30, what: str = "") -> Object:
        """The pod as soon as the condition holds."""
        seen: list[Object | None] = [None]

        def holds() -> Object | None:
            seen[0] = self.get("pods", name)
            return seen[0] if seen[0] is not None and condition(seen[0]) else None

        try:
            return wait_for(holds, seconds, what or f"pod {name} is as wanted")
        except pytest.fail.Exception as failure:
            status = json.dumps((seen[0] or {}).get("status"), indent=1)
            pytest.fail(f"{failure}; its status: {status}\nevents:\n{self.kubectl('get', 'events', check=False)}")

    def ready(self, name: str, seconds: float = 30) -> Object:
        """The pod, as soon as it is Ready."""
        return self.wait_pod(name, lambda pod: condition_of(pod, "Ready") == "True", seconds, f"pod {name} is ready")

    def ended(self, name: str, phase: str = "Succeeded", seconds: float = 30) -> Object:
        """The pod, as soon as it has ended in that phase."""
        return self.wait_pod(name, lambda pod: pod["status"].get("phase") == phase, seconds, f"pod {name} is {phase}")

    def gone(self, name: str, seconds: float = 30) -> None:
        """Wait until there is no such pod."""
        wait_for(lambda: self.get("pods", name) is None, seconds, f"pod {name} is gone")

    def lines(self, name: str, count: int, seconds: float = 30) -> list[str]:
        """The first lines that a pod says, when it has said so many."""
        wait_for(lambda: len(self.logs(name).splitlines()) >= count, seconds, f"{name} says {count} lines")
        return self.logs(name).splitlines()[:count]

    def logs(self, name: str, *arguments: str) -> str:
        """What `kubectl logs` says."""
        return self.kubectl("logs", name, *arguments)

    def exec(self, name: str, script: str, container: str = "c") -> str:
        """The output of a shell script in a pod."""
        return self.kubectl("exec", name, "-c", container, "--", "sh", "-c", script)

    def ready_pods(self, labels: str) -> list[Object]:
        """The pods that are Ready and not being deleted."""
        return [pod for pod in self.pods(labels) if is_ready(pod)]

    def rolled_out(self, name: str, seconds: int = 60) -> None:
        """Wait until a Deployment's rollout is over."""
        self.kubectl("rollout", "status", f"deploy/{name}", f"--timeout={seconds}s", seconds=seconds + 10)

    def events(self, reason: str) -> list[Object]:
        """The events of this namespace with that reason."""
        return self.cluster.list("events", self.name, fields=f"reason={reason}")

    def wait_event(self, reason: str, words: str = "", seconds: float = 20) -> Object:
        """The first event with that reason whose message has those words."""

        def found() -> Object | None:
            return next((event for event in self.events(reason) if words in event.get("message", "")), None)

        return wait_for(found, seconds, f"an event {reason} that says {words!r}")


CONTAINER_FIELDS = {
    "args", "command", "env", "envFrom", "image", "imagePullPolicy", "lifecycle", "livenessProbe", "ports",
    "readinessProbe", "resizePolicy", "resources", "startupProbe", "stdin", "terminationMessagePath",
    "terminationMessagePolicy", "tty", "volumeMounts", "workingDir",
}  # fmt: skip
SERVES = "mkdir -p /w; cat /etc/image > /w/index.html; exec httpd -f -p 8080 -h /w"
FOR_EVER = [{"operator": "Exists"}]
"""Tolerations of a pod that nothing drives from its node."""
WAITS = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


def container(name: str, script: str = "", **fields: Any) -> Object:
    """A container that runs a shell script, by default one that waits to be stopped."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script or WAITS], **fields}


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def condition_of(obj: Object, kind: str) -> str:
    """The status of a condition; empty when there is none."""
    return next((c["status"] for c in obj["status"].get("conditions", ()) if c["type"] == kind), "")


def state(pod: Object, name: str = "c", kind: str = "containerStatuses") -> Object:
    """The status of one container; as that of one that was never started where there is none yet."""
    new: Object = {"restartCount": 0, "state": {}}
    return next((status for status in pod["status"].get(kind) or () if status["name"] == name), new)


def waiting(pod: Object, name: str = "c") -> str:
    """Why a container waits; empty when it does not."""
    return str(state(pod, name)["state"].get("waiting", {}).get("reason", ""))


def container_id(pod: Object, name: str = "c") -> str:
    """Docker's id of a pod's container."""
    return str(state(pod, name)["containerID"]).removeprefix("docker://")


def is_ready(pod: Object) -> bool:
    """Whether the pod is Ready."""
    return condition_of(pod, "Ready") == "True"


def deployment(name: str, replicas: int, strategy: Object | None = None, **fields: Any) -> Object:
    """A Deployment of pods that say their image at port 8080; `fields` are the container's."""
    labels = {"app": name}
    serving = {
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "imagePullPolicy": "IfNotPresent",
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container("c", SERVES, **(serving | fields))]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            **({"strategy": {"rollingUpdate": strategy}} if strategy else {}),
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }
