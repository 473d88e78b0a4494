"""What every volume type is given and gives."""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from node_agent.fieldrefs import NodeFacts
from node_agent.references import References
from timonel.api.types import core_v1


class VolumeFailure(Exception):
    """A volume cannot be made (yet). ``volume`` is its name, the text says why."""

    def __init__(self, volume: str, why: str) -> None:
        super().__init__(why)
        self.volume = volume
        self.why = why


@dataclass(frozen=True, slots=True)
class Token:
    """A service account token and when it ends."""

    text: str
    expires: datetime


class Tokens(Protocol):
    """Who gives tokens: the master, through the session."""

    async def request(self, pod: core_v1.Pod, audience: str, seconds: int) -> Token:
        """A token for the pod's service account. Raises TimeoutError or LookupError with the master's words."""


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """What volumes are made from, for one pod."""

    pod: core_v1.Pod
    refs: References
    node: NodeFacts
    tokens: Tokens
    now: datetime

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return self.pod.metadata.namespace

    @property
    def fs_group(self) -> int | None:
        """The group that owns what the pod's volumes hold."""
        context = self.pod.spec.securityContext
        return None if context is None else context.fsGroup

    @property
    def fs_user(self) -> int | None:
        """The user that all containers of the pod run as, if it is one and the same."""
        shared = self.pod.spec.securityContext
        users: set[int | None] = set()
        for container in (*self.pod.spec.initContainers, *self.pod.spec.containers):
            own = container.securityContext.runAsUser if container.securityContext is not None else None
            users.add(own if own is not None else (shared.runAsUser if shared is not None else None))
        return users.pop() if len(users) == 1 else None


@dataclass(frozen=True, slots=True)
class File:
    """One file of a generated volume. ``user`` owns it where it is given."""

    data: bytes
    mode: int
    user: int | None = None


Payload = Mapping[str, File]
"""A generated volume's files by relative path."""


@dataclass(frozen=True, slots=True)
class Made:
    """A volume that is there. ``refresh_at`` says when its contents age."""

    path: Path
    refresh_at: datetime | None = None


SetUp = Callable[[VolumeContext, core_v1.Volume, Path], Awaitable[Made]]
"""Makes a volume in its own directory, under the pod's, or brings it up to date. Raises VolumeFailure."""


def give_to_group(path: Path, group: int, *, read_only: bool) -> None:
    """Let the fsGroup own a tree, readable and (unless read-only) writable, new files too. Source: volume_linux.go."""
    mask = 0o440 if read_only else 0o660
    for directory, _, files in os.walk(path):
        os.chown(directory, -1, group, follow_symlinks=False)
        Path(directory).chmod(Path(directory).stat().st_mode & 0o7777 | mask | 0o2110)
        for name in files:
            file = Path(directory, name)
            os.chown(file, -1, group, follow_symlinks=False)
            if not file.is_symlink():
                file.chmod(file.stat().st_mode & 0o7777 | mask)
