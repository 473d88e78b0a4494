"""A registry over a real embedded store, and short words to speak to it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from master.registry import authz
from master.registry.base import DeleteOptions, ListOptions, User, WriteOptions, component
from master.registry.bootstrap import bootstrap
from master.registry.verbs import Registry
from master.registry.watching import WatchFrames
from master.store.embedded import EmbeddedStore
from timonel.api import codec
from timonel.api.errors import Invalid
from timonel.api.gvk import GVK
from timonel.api.patch import merge_patch
from timonel.api.types import core_v1

ADMIN = component("admin")
EXAMPLES = Path(__file__).parents[3] / "manifests" / "examples"


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


class Examples:
    """The manifests in manifests/examples, as they are or changed by a merge patch."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def body(self, name: str, change: Any = None) -> dict[str, Any]:
        """An example's object."""
        body: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
        return merge_patch(body, change) if change else body

    def kind(self, name: str) -> Any:
        """The example's resource."""
        body = self.body(name)
        return self.api.registry.resources.of_gvk(GVK.parse(body["apiVersion"], body["kind"]))

    async def create(self, name: str, change: Any = None) -> Any:
        """Create it; gives what is stored."""
        return await self.api.create(self.kind(name), self.body(name, change), self._namespace(name))

    async def refusal(self, name: str, change: Any) -> str:
        """Why the changed example is refused."""
        with pytest.raises(Invalid) as refused:
            await self.create(name, change)
        return refused.value.message

    async def change(self, name: str, change: Any, subresource: str = "") -> Any:
        """Patch the example, which was created."""
        name_ = self.body(name)["metadata"]["name"]
        return await self.api.merge(self.kind(name), name_, change, self._namespace(name), subresource)

    async def change_refusal(self, name: str, change: Any, subresource: str = "") -> str:
        """Why the example may not be changed so."""
        with pytest.raises(Invalid) as refused:
            await self.change(name, change, subresource)
        return refused.value.message

    def cells(self, name: str, change: Any = None) -> dict[str, Any]:
        """What the table shows of it."""
        resource = self.kind(name)
        obj = codec.convert(resource.struct, self.body(name, change))
        return {column.name: column.value(obj) for column in self.api.registry.strategy(resource).columns}

    def _namespace(self, name: str) -> str:
        return "default" if self.kind(name).namespaced else ""


@pytest.fixture
def examples(api: Api) -> Examples:
    """The examples of the manifests."""
    return Examples(api)
