"""A registry over a real embedded store, and short words to speak to it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from master.registry import authz
from master.registry.base import DeleteOptions, ListOptions, User, WriteOptions, component
from master.registry.bootstrap import bootstrap
from master.registry.verbs import Registry
from master.registry.watching import WatchFrames
from master.store.embedded import EmbeddedStore
from timonel.api import codec
from timonel.api.types import core_v1

ADMIN = component("admin")


@dataclass
class Api:
    """The registry as one user sees it; bodies are dicts, results are decoded."""

    registry: Registry
    who: User = ADMIN
    warnings: list[str] = field(default_factory=list)

    async def create(self, kind: type[Any], body: dict[str, Any], namespace: str = "default", **options: Any) -> Any:
        """Create and decode."""
        names = {key: options.pop(key) for key in ("name", "subresource") if key in options}
        raw = json.dumps(body).encode()
        done = await self.registry.create(self.who, kind, namespace, raw, WriteOptions(**options), **names)
        self.warnings += done.warnings
        return json.loads(done.raw)

    async def get(self, kind: type[Any], name: str, namespace: str = "default", **asked: Any) -> Any:
        """Get and decode."""
        return json.loads((await self.registry.get(self.who, kind, namespace, name, **asked)).raw)

    async def update(
        self, kind: type[Any], body: dict[str, Any], namespace: str = "default", subresource: str = "", **options: Any
    ) -> Any:
        """Replace and decode."""
        name = body["metadata"]["name"]
        raw = json.dumps(body).encode()
        done = await self.registry.update(
            self.who, kind, namespace, name, raw, WriteOptions(**options), subresource=subresource
        )
        return json.loads(done.raw)

    async def merge(
        self, kind: type[Any], name: str, patch: dict[str, Any], namespace: str = "default", subresource: str = ""
    ) -> Any:
        """Merge-patch and decode."""
        done = await self.registry.patch(
            self.who,
            kind,
            namespace,
            name,
            "application/merge-patch+json",
            json.dumps(patch).encode(),
            subresource=subresource,
        )
        return json.loads(done.raw)

    async def names(self, kind: type[Any], namespace: str = "default", **options: Any) -> list[str]:
        """The names that a list gives."""
        found = await self.registry.list(self.who, kind, namespace, ListOptions(**options))
        return [json.loads(raw)["metadata"]["name"] for raw in found.items]

    async def delete(self, kind: type[Any], name: str, namespace: str = "default", **options: Any) -> Any:
        """Delete; gives the registry's result."""
        return await self.registry.delete(self.who, kind, namespace, name, DeleteOptions(**options))

    def as_user(self, who: User) -> "Api":
        """The same registry for another user."""
        return Api(self.registry, who)


def seen(frames: WatchFrames) -> list[tuple[str, str]]:
    """Types and names of a watch's frames."""
    return [(frame.type, json.loads(frame.raw)["metadata"].get("name", "")) for frame in frames]


@pytest.fixture
def frames_seen() -> Any:
    return seen


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    opened = await EmbeddedStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()


@pytest.fixture
async def registry(store: EmbeddedStore) -> AsyncIterator[Registry]:
    made = Registry(store, authz.load())
    await made.start()
    await bootstrap(made, b"pem")
    account = codec.convert(core_v1.ServiceAccount, {"metadata": {"name": "default"}})
    await made.create(ADMIN, core_v1.ServiceAccount, "default", account)
    yield made
    await made.close()


@pytest.fixture
def api(registry: Registry) -> Api:
    return Api(registry)


@pytest.fixture
def pod() -> dict[str, Any]:
    """A plain pod."""
    return {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "main", "image": "nginx:1.25"}]}}
