"""Gets containers' images onto the node: pull policies, credentials, one pull at a time for each image."""

import asyncio
import base64
import binascii
import time
from collections.abc import Iterator

import msgspec

from node_agent.events import PodEvents
from node_agent.references import MissingReference, References, secret_data
from node_agent.runtimes.base import Credentials, Image, ImageFailure, Images
from timonel.api.types import core_v1

STALLED_SECONDS = 60.0
"""A pull that makes no progress for so long is given up."""

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


class ImageKeeper:
    """Ensures images. Pods that want the same image at the same time share one pull."""

    def __init__(self, images: Images, refs: References, events: PodEvents) -> None:
        self._images = images
        self._refs = refs
        self._events = events
        self._pulls: dict[tuple[str, Credentials | None], asyncio.Task[Image]] = {}

    async def ensure(self, pod: core_v1.Pod, container: core_v1.Container) -> Image:
        """The container's image, pulled when its policy says so. Raises ImageFailure in the kubelet's words."""
        name = container.image or ""
        policy = container.imagePullPolicy or default_policy(name)
        found = None if policy == "Always" else await self._images.image(name)
        if found is not None:
            self._events.normal(pod, "Pulled", f'Container image "{name}" already present on machine', container.name)
            return found
        if policy == "Never":
            problem = f'Container image "{name}" is not present with pull policy of Never'
            self._events.warning(pod, "ErrImageNeverPull", problem, container.name)
            raise ImageFailure("ErrImageNeverPull", problem)
        return await self._pull(pod, container, name)

    async def _pull(self, pod: core_v1.Pod, container: core_v1.Container, name: str) -> Image:
        self._events.normal(pod, "Pulling", f'Pulling image "{name}"', container.name)
        began = time.monotonic()
        try:
            image = await self._shared_pull(name, credentials(pod, name, self._refs))
        except ImageFailure as failure:
            self._events.warning(pod, "Failed", f'Failed to pull image "{name}": {failure.message}', container.name)
            self._events.warning(pod, "Failed", f"Error: {failure.reason}", container.name)
            raise
        took = f"{round(time.monotonic() - began, 3)}s"
        size = f"Image size: {image.size_bytes} bytes."
        text = f'Successfully pulled image "{name}" in {took} ({took} including waiting). {size}'
        self._events.normal(pod, "Pulled", text, container.name)
        return image

    async def _shared_pull(self, name: str, login: Credentials | None) -> Image:
        key = (name, login)
        task = self._pulls.get(key)
        if task is None:
            task = self._pulls[key] = asyncio.create_task(self._pull_now(name, login), name=f"pull {name}")
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: tuple[str, Credentials | None], task: asyncio.Task[Image]) -> None:
        self._pulls.pop(key, None)
        if not task.cancelled():
            task.exception()

    async def _pull_now(self, name: str, login: Credentials | None) -> Image:
        progress = aiter(self._images.pull(name, login))
        while True:
            try:
                await asyncio.wait_for(anext(progress), STALLED_SECONDS)
            except StopAsyncIteration:
                break
            except TimeoutError:
                raise ImageFailure("ErrImagePull", f"no progress for {STALLED_SECONDS:.0f} s") from None
        image = await self._images.image(name)
        if image is None:
            raise ImageFailure("ErrImagePull", f'image "{name}" is not there after its pull')
        return image

    async def close(self) -> None:
        """Give up the pulls that are under way."""
        tasks = list(self._pulls.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def default_policy(image: str) -> str:
    """Always for the tag latest or none, else IfNotPresent."""
    name, _, digest = image.partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    return "Always" if not digest and tag in ("", "latest") else "IfNotPresent"


def registry_of(image: str) -> str:
    """The host of the registry that an image comes from."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return "docker.io"


def credentials(pod: core_v1.Pod, image: str, refs: References) -> Credentials | None:
    """The login for the image's registry from imagePullSecrets; those missing or damaged are passed over."""
    wanted = registry_of(image)
    for ref in pod.spec.imagePullSecrets:
        for server, login in _logins(pod.metadata.namespace or "", ref.name or "", refs):
            host = server.removeprefix("https://").removeprefix("http://").partition("/")[0]
            if host == wanted or (host in DOCKER_HUB and wanted in DOCKER_HUB):
                return login
    return None


class _Login(msgspec.Struct):
    username: str = ""
    password: str = ""
    auth: str = ""


class _DockerConfig(msgspec.Struct):
    auths: dict[str, _Login] = {}


def _logins(namespace: str, name: str, refs: References) -> Iterator[tuple[str, Credentials]]:
    try:
        data = secret_data(refs, namespace, name)
        if ".dockerconfigjson" in data:
            auths = msgspec.json.decode(data[".dockerconfigjson"], type=_DockerConfig).auths
        else:
            auths = msgspec.json.decode(data.get(".dockercfg", b"{}"), type=dict[str, _Login])
    except (MissingReference, msgspec.DecodeError):
        return
    for server, login in auths.items():
        if login.auth and not login.username:
            try:
                user, _, password = base64.b64decode(login.auth).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                continue
            yield server, Credentials(user, password)
        else:
            yield server, Credentials(login.username, login.password)
