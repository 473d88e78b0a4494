"""The node's images, and pulls with progress."""

import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from node_agent.runtimes.base import Credentials, Image, ImageFailure, PullProgress
from node_agent.runtimes.docker.client import SLOW_SECONDS, Daemon, Refused

_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:(?:{_DOMAIN}|\[[0-9A-Fa-f:]+\](?::[0-9]+)?)/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z0-9]+)*:[0-9a-fA-F]{32,}))?"
)
"""The grammar of image references, github.com/distribution/reference."""
_DONE = {"Pull complete", "Already exists", "Download complete"}


def parse_reference(name: str) -> tuple[str, str]:
    """(repository, tag or digest), the tag "latest" unless another is given. Raises ImageFailure(InvalidImageName)."""
    found = _REFERENCE.fullmatch(name)
    if not found:
        raise ImageFailure(
            "InvalidImageName",
            f'Failed to apply default image tag "{name}": '
            f'couldn\'t parse image name "{name}": invalid reference format',
        )
    return found["name"], found["digest"] or found["tag"] or "latest"


class Progress:
    """Bytes of all layers, from the daemon's messages."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}

    def take(self, told: dict[str, Any]) -> PullProgress:
        """The progress after one more message."""
        layer, detail, status = told.get("id", ""), told.get("progressDetail") or {}, str(told.get("status", ""))
        if detail.get("total") and status == "Downloading":
            self._layers[layer] = detail.get("current", 0), detail["total"]
        elif status in _DONE and layer in self._layers:
            total = self._layers[layer][1]
            self._layers[layer] = total, total
        done, total = (sum(column) for column in zip(*self._layers.values(), strict=True)) if self._layers else (0, 0)
        return PullProgress(done, total)


async def pull(daemon: Daemon, name: str, credentials: Credentials | None) -> AsyncIterator[PullProgress]:
    """Pull until done. Raises ImageFailure with the registry's words."""
    repository, version = parse_reference(name)
    headers = {"X-Registry-Auth": _auth(credentials)} if credentials else {}
    query = {"fromImage": repository, "tag": version}
    progress = Progress()
    try:
        async with daemon.open("POST", "/images/create", query, headers=headers, seconds=SLOW_SECONDS) as reply:
            async for line in reply.lines():
                told: dict[str, Any] = json.loads(line)
                if "error" in told:
                    raise _failure(name, str(told["error"]))
                yield progress.take(told)
    except Refused as refusal:
        raise _failure(name, refusal.message) from refusal


def _failure(name: str, words: str) -> ImageFailure:
    return ImageFailure("ErrImagePull", f'failed to pull image "{name}": {words}')


def _auth(credentials: Credentials) -> str:
    fields = {"username": credentials.username, "password": credentials.password}
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


async def find(daemon: Daemon, name: str) -> Image | None:
    """The image under that name or id, if it is here."""
    told = await daemon.inspect_image(name)
    return None if told is None else _image(told, str((told.get("Config") or {}).get("User", "")))


async def every(daemon: Daemon) -> list[Image]:
    """All images; their users are not in a list and stay empty."""
    return [_image(told, "") for told in await daemon.ask("GET", "/images/json")]


def _image(told: dict[str, Any], user: str) -> Image:
    names = [*(told.get("RepoDigests") or []), *(told.get("RepoTags") or [])]
    return Image(told["Id"], [name for name in names if "<none>" not in name], told["Size"], user)
