"""Images from a real registry: pull policies, credentials, digests, progress and back-off."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from urllib import request

import pytest
from whole_cluster import IMAGE, Cluster, Host, Namespace, Object, state, wait_for, waiting

OTHER = "busybox:1.35"
USER, PASSWORD = "captain", "sesame"
HTPASSWD = f"{USER}:$2b$04$Br1PIinT60B1qEIl7iOE1e48fb4qgy9LT.Pcks6QyHzZS3W79vD66\n"
"""The password's bcrypt hash, as `htpasswd -B` makes it: Python makes none."""


class Registry:
    """A registry on the host's loopback, which Docker trusts without TLS."""

    def __init__(self, host: Host, port: int, auth: str = "") -> None:
        self.host = host
        self.address = f"127.0.0.1:{port}"
        self._folder = host.directory / f"registry-{port}"
        self._folder.mkdir(exist_ok=True)
        config = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
            "http": {"addr": self.address},
        }
        if auth:
            (self._folder / "htpasswd").write_text(auth)
            config["auth"] = {"htpasswd": {"realm": "timonel", "path": str(self._folder / "htpasswd")}}
        (self._folder / "config.json").write_text(json.dumps(config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve, with what was pushed before."""
        command = self.host.command("docker-registry", "serve", str(self._folder / "config.json"))
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: self.host.http(f"http://{self.address}/v2/")[0], 20, "the registry answers")

    def stop(self) -> None:
        """Serve no more."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def push(self, name: str, image: str = IMAGE) -> str:
        """Push an image under a name; its reference here. Docker keeps no copy under that name."""
        reference = f"{self.address}/{name}"
        config = f"--config={self._folder}/docker"
        self.host.docker(config, "login", "--username", USER, "--password", PASSWORD, self.address)
        if image != reference:
            self.host.docker("tag", image, reference)
        self.host.docker(config, "push", "-q", reference)
        self.host.docker("rmi", reference)
        return reference

    def digest(self, name: str, tag: str) -> str:
        """The digest of an image in this registry."""
        url = f"http://{self.address}/v2/{name}/manifests/{tag}"
        wanted = request.Request(url, headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"})
        return self.host.inside(lambda: str(request.urlopen(wanted, timeout=5).headers["Docker-Content-Digest"]))


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """The registry, until the tests are through."""
    if shutil.which("docker-registry") is None:
        pytest.skip("no registry on this machine (Debian: docker-registry)")
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


@pytest.fixture(scope="module")
def registry(cluster: Cluster) -> Iterator[Registry]:
    """One that asks nobody who they are."""
    with serving(Registry(cluster.host, 5000)) as registry:
        yield registry


@pytest.fixture(scope="module")
def private(cluster: Cluster) -> Iterator[Registry]:
    """One that asks for a password."""
    with serving(Registry(cluster.host, 5001, HTPASSWD)) as registry:
        yield registry


def says_its_image(ns: Namespace, name: str, image: str, policy: str | None = None) -> str:
    """What /etc/image says in a pod of that image."""
    ns.pod(name, "cat /etc/image", image=image, imagePullPolicy=policy, restartPolicy="Never")
    ns.ended(name)
    return ns.logs(name).strip()


def test_policies(ns: Namespace, registry: Registry) -> None:
    image = registry.push("shop/web:1")
    ns.pod("never", image=image, imagePullPolicy="Never")
    pod = ns.wait_pod("never", lambda pod: waiting(pod) == "ErrImageNeverPull")
    assert "is not present with pull policy of Never" in state(pod)["state"]["waiting"]["message"]

    assert says_its_image(ns, "pulls", image) == IMAGE
    assert f'Pulling image "{image}"' in ns.wait_event("Pulling")["message"]
    ns.wait_event("Pulled", f'Successfully pulled image "{image}" in ')
    assert says_its_image(ns, "finds", image) == IMAGE
    ns.wait_event("Pulled", f'Container image "{image}" already present on machine')

    registry.push("shop/web:1", OTHER)
    ns.host.docker("tag", IMAGE, image)
    assert says_its_image(ns, "stays", image, "IfNotPresent") == IMAGE
    assert says_its_image(ns, "never-pulls", image, "Never") == IMAGE
    assert says_its_image(ns, "always", image, "Always") == OTHER


def test_digests(ns: Namespace, registry: Registry) -> None:
    image = registry.push("shop/api:1")
    digest = registry.digest("shop/api", "1")
    registry.push("shop/api:1", OTHER)
    pinned = f"{registry.address}/shop/api@{digest}"
    assert says_its_image(ns, "pinned", pinned) == IMAGE, "a tag that moves on moves no digest"
    assert says_its_image(ns, "tagged", image) == OTHER
    status = state(ns.get("pods", "pinned") or {})
    assert (status["image"], status["imageID"]) == (pinned, f"docker-pullable://{pinned}")
    wrong = f"{registry.address}/shop/api@sha256:{'0' * 64}"
    ns.pod("wrong", image=wrong)
    pod = ns.wait_pod("wrong", lambda pod: waiting(pod) == "ErrImagePull")
    assert "manifest unknown" in state(pod)["state"]["waiting"]["message"]


def login(ns: Namespace, name: str, registry: Registry, password: str) -> None:
    """A Secret as `kubectl create secret docker-registry` makes it, or makes it anew."""
    words = ("create", "secret", "docker-registry", name, f"--docker-server={registry.address}")
    user = (f"--docker-username={USER}", f"--docker-password={password}", "--dry-run=client", "-o=yaml")
    ns.kubectl("apply", "-f", "-", stdin=ns.kubectl(*words, *user))


def test_credentials(ns: Namespace, private: Registry) -> None:
    image = private.push("shop/secret:1")
    ns.pod("anonymous", image=image)
    pod = ns.wait_pod("anonymous", lambda pod: waiting(pod) == "ErrImagePull")
    assert "no basic auth credentials" in state(pod)["state"]["waiting"]["message"]

    login(ns, "wrong", private, "guess")
    ns.pod("guesses", image=image, imagePullSecrets=[{"name": "wrong"}])
    pod = ns.wait_pod("guesses", lambda pod: waiting(pod) == "ErrImagePull")
    assert "unauthorized" in state(pod)["state"]["waiting"]["message"]
    ns.wait_event("Failed", "unauthorized")
    ns.wait_event("Failed", "Error: ErrImagePull")

    login(ns, "right", private, PASSWORD)
    ns.pod("absent", image=image, imagePullSecrets=[{"name": "nobody"}])
    ns.wait_event("FailedToRetrieveImagePullSecret", "nobody")
    ns.pod("both", image=image, imagePullSecrets=[{"name": "wrong"}, {"name": "right"}])
    ns.ready("both")

    login(ns, "wrong", private, PASSWORD)
    ns.ready("guesses", 60)


def test_a_service_accounts_credentials(ns: Namespace, private: Registry) -> None:
    image = private.push("shop/hidden:1")
    login(ns, "right", private, PASSWORD)
    ns.patch("serviceaccounts", "default", {"imagePullSecrets": [{"name": "right"}]})
    ns.pod("p", image=image)
    ns.ready("p")


def test_a_registry_that_is_away_is_asked_again(ns: Namespace, registry: Registry) -> None:
    image = registry.push("shop/late:1")
    registry.stop()
    ns.pod("p", image=image)
    pod = ns.wait_pod("p", lambda pod: waiting(pod) == "ErrImagePull")
    assert "connection refused" in state(pod)["state"]["waiting"]["message"]
    pod = ns.wait_pod("p", lambda pod: waiting(pod) == "ImagePullBackOff")
    assert f'Back-off pulling image "{image}"' in state(pod)["state"]["waiting"]["message"]
    ns.wait_event("BackOff", f'Back-off pulling image "{image}"')
    registry.start()
    assert state(ns.ready("p", 40))["restartCount"] == 0


async def slow_way(address: str) -> asyncio.Server:
    """A server that leads to another one, with 5 MB a second on the way back."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, pause: float) -> None:
        while data := await source.read(1 << 18):
            sink.write(data)
            await sink.drain()
            await asyncio.sleep(pause)
        sink.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = address.split(":")
        there = await asyncio.open_connection(host, int(port), limit=1 << 18)
        await asyncio.gather(pump(reader, there[1], 0), pump(there[0], writer, 0.05))

    return await asyncio.start_server(lead, "127.0.0.1", 5002)


def test_progress(ns: Namespace, registry: Registry) -> None:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        content = tarfile.TarInfo("big")
        content.size = 30_000_000
        archive.addfile(content, io.BytesIO(os.urandom(content.size)))
    image = f"{registry.address}/shop/big:1"
    command = ns.host.command("docker", "import", "-", image)
    subprocess.run(command, input=layer.getvalue(), check=True, env=ns.host.env, stdout=subprocess.DEVNULL)
    registry.push("shop/big:1", image)
    server = ns.cluster.api.call(slow_way(registry.address))
    try:
        name = image.replace("5000", "5002")
        ns.pod("p", image=name)

        def told(pod: Object) -> str:
            return str(state(pod)["state"].get("waiting", {}).get("message", ""))

        first = told(ns.wait_pod("p", told))
        assert re.fullmatch(rf'pulling image "{name}": [0-9.]+ of 30\.\d MB', first)
        ns.wait_pod("p", lambda pod: told(pod) not in ("", first), what="the pull goes on")
        ns.wait_event("Pulled", name)
        ns.wait_event("Failed", "exec")
    finally:
        server.close()
