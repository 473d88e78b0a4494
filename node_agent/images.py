"""Gets containers' images onto the node: pull policies, credentials, one pull at a time for each image."""

import asyncio
import logging
import time

from node_agent.events import PodEvents
from node_agent.pull_secrets import logins
from node_agent.references import References
from node_agent.runtimes.base import Credentials, Image, ImageFailure, Images, PullProgress
from timonel.api.types import core_v1
from timonel.tasks import end

logger = logging.getLogger(__name__)

STALLED_SECONDS = 60.0
"""A pull that makes no progress for so long is given up."""


class ImageKeeper:
    """Ensures images. Pods that want the same image at the same time share one pull."""

    def __init__(self, images: Images, refs: References, events: PodEvents) -> None:
        self._images = images
        self._refs = refs
        self._events = events
        self._pulls: dict[tuple[str, Credentials | None], asyncio.Task[Image]] = {}
        self._progress: dict[str, PullProgress] = {}

    async def ensure(self, pod: core_v1.Pod, container: core_v1.Container) -> Image:
        """The container's image, pulled when its policy says so. Raises ImageFailure in the kubelet's words."""
        name = container.image
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
            image = await self._pull_with_any_login(pod, container, name)
        except ImageFailure as failure:
            self._events.warning(pod, "Failed", f'Failed to pull image "{name}": {failure.message}', container.name)
            self._events.warning(pod, "Failed", f"Error: {failure.reason}", container.name)
            raise
        took = f"{round(time.monotonic() - began, 3)}s"
        size = f"Image size: {image.size_bytes} bytes."
        text = f'Successfully pulled image "{name}" in {took} ({took} including waiting). {size}'
        self._events.normal(pod, "Pulled", text, container.name)
        return image

    async def _pull_with_any_login(self, pod: core_v1.Pod, container: core_v1.Container, name: str) -> Image:
        """Raises the last login's ImageFailure when none is good."""
        found = logins(pod, name, self._refs)
        if found.missing:
            text = f"Unable to retrieve some image pull secrets ({', '.join(found.missing)}); "
            text += "attempting to pull the image may not succeed."
            self._events.warning(pod, "FailedToRetrieveImagePullSecret", text, container.name)
        tried: list[Credentials | None] = [*found.tried] or [None]
        for login in tried[:-1]:
            try:
                return await self._shared_pull(name, login)
            except ImageFailure as failure:
                logger.info("pull of %s: %s; trying the next login", name, failure.message)
        return await self._shared_pull(name, tried[-1])

    def progress(self, name: str) -> str:
        """How far the pull of an image has come; empty when none is under way, or nothing is known of its size."""
        seen = self._progress.get(name)
        return (
            f'pulling image "{name}": {seen.done / 1e6:.1f} of {seen.total / 1e6:.1f} MB' if seen and seen.total else ""
        )

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
        try:
            while True:
                self._progress[name] = await asyncio.wait_for(anext(progress), STALLED_SECONDS)
        except StopAsyncIteration:
            pass
        except TimeoutError:
            raise ImageFailure("ErrImagePull", f"no progress for {STALLED_SECONDS:.0f} s") from None
        finally:
            self._progress.pop(name, None)
        image = await self._images.image(name)
        if image is None:
            raise ImageFailure("ErrImagePull", f'image "{name}" is not there after its pull')
        return image

    async def close(self) -> None:
        """Give up the pulls that are under way."""
        await end(self._pulls.values())


def default_policy(image: str) -> str:
    """Always for the tag latest or none, else IfNotPresent."""
    name, _, digest = image.partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    return "Always" if not digest and tag in ("", "latest") else "IfNotPresent"
