"""Each volume type in a real directory; mounts where root may make them."""

import base64
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from node_agent.assignments import Assignments
from node_agent.fieldrefs import NodeFacts
from node_agent.volumes.base import Token, VolumeContext, VolumeFailure
from node_agent.volumes.pod_volumes import PodVolumes, VolumeSet
from timonel.api import codec
from timonel.api.types import core_v1
from timonel.rpc import node_pb2

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


class Tokens:
    """Numbered tokens of an hour."""

    def __init__(self) -> None:
        self.given = 0

    async def request(self, pod: core_v1.Pod, audience: str, seconds: int) -> Token:
        self.given += 1
        return Token(f"{audience or 'api'}-{self.given}", datetime.now(UTC) + timedelta(seconds=seconds))


class Refs(Assignments):
    """A reference set that tests put objects into."""

    def put(self, *objects: Any) -> None:
        changes = [
            node_pb2.AssignmentChange(
                kind=o.kind, object_namespace="default", object_name=o.metadata.name, object_json=codec.encode(o)
            )
            for o in objects
        ]
        self.apply(node_pb2.Assignments(type=0, sequence=1, changes=changes))


def config(name: str = "settings", **data: str) -> core_v1.ConfigMap:
    found = core_v1.ConfigMap(data=data)
    found.metadata.name, found.metadata.namespace = name, "default"
    return found


def secret(**data: str) -> core_v1.Secret:
    found = core_v1.Secret(data={k: base64.b64encode(v.encode()).decode() for k, v in data.items()})
    found.metadata.name, found.metadata.namespace = "keys", "default"
    return found


def is_same(one: Path, other: Path) -> bool:
    """Whether both are one file, and it still has its contents."""
    return one.samefile(other) and one.read_text() == "precious"


class Bench:
    """Volumes of one pod."""

    def __init__(self, root: Path, build: Any) -> None:
        self.root, self.build = root, build
        self.refs, self.tokens, self.volumes = Refs(), Tokens(), PodVolumes(root)
        self.now = datetime.now(UTC)

    def pod(self, volume: dict[str, Any], **spec: Any) -> core_v1.Pod:
        made: core_v1.Pod = self.build.pod(volumes=[{"name": "v", **volume}], **spec)
        made.metadata.labels = {"app": "web", "tier": 'a"b'}
        return made

    async def make(self, volume: dict[str, Any], **spec: Any) -> Path:
        return (await self.make_set(volume, **spec)).paths["v"]

    async def make_set(self, volume: dict[str, Any], **spec: Any) -> VolumeSet:
        node = NodeFacts("node-1", ["10.0.0.1"], {"cpu": 2000, "memory": 1 << 30})
        return await self.volumes.set_up(
            VolumeContext(self.pod(volume, **spec), self.refs, node, self.tokens, self.now)
        )


@pytest.fixture
def bench(tmp_path: Path, build: Any) -> Bench:
    return Bench(tmp_path / "pods", build)


class TestConfigMap:
    """The configMap volume."""

    async def test_keys_items_and_modes(self, bench: Bench) -> None:
        bench.refs.put(config(a="1", b="2"))
        path = await bench.make({"configMap": {"name": "settings"}})
        assert path == bench.root / "uid-web/volumes/kubernetes.io~configmap/v"
        assert (path / "a").read_text() == "1"
        assert (path / "b").stat().st_mode & 0o777 == 0o644
        items = [{"key": "a", "path": "deep/x", "mode": 0o400}]
        path = await bench.make({"configMap": {"name": "settings", "items": items}})
        assert (path / "deep/x").stat().st_mode & 0o777 == 0o400
        assert not (path / "b").exists()

    async def test_what_is_missing_is_told_unless_it_is_optional(self, bench: Bench) -> None:
        with pytest.raises(VolumeFailure, match='configmap "settings" not found'):
            await bench.make({"configMap": {"name": "settings"}})
        assert list((await bench.make({"configMap": {"name": "settings", "optional": True}})).glob("[!.]*")) == []
        bench.refs.put(config(a="1"))
        items = [{"key": "z", "path": "z"}]
        with pytest.raises(VolumeFailure, match="references non-existent config key: z"):
            await bench.make({"configMap": {"name": "settings", "items": items}})

    async def test_a_path_that_leads_out_is_refused(self, bench: Bench) -> None:
        bench.refs.put(config(a="1"))
        with pytest.raises(VolumeFailure, match="must not contain"):
            await bench.make({"configMap": {"name": "settings", "items": [{"key": "a", "path": "x/../../../y"}]}})

    @root_only
    async def test_the_fs_group_may_read(self, bench: Bench) -> None:
        bench.refs.put(config(a="1"))
        path = await bench.make(
            {"configMap": {"name": "settings", "defaultMode": 0o400}}, securityContext={"fsGroup": 77}
        )
        found = (path / "a").stat()
        assert (found.st_gid, found.st_mode & 0o777) == (77, 0o440)


@root_only
class TestInMemory:
    """What must not reach a disk."""

    async def test_secrets_are_in_memory_and_gone_after(self, bench: Bench) -> None:
        bench.refs.put(secret(password="hunter2"))
        path = await bench.make({"secret": {"secretName": "keys"}})
        assert (path / "password").read_text() == "hunter2"
        assert path.is_mount()
        await bench.volumes.tear_down("uid-web")
        assert not (bench.root / "uid-web").exists()
        await bench.volumes.tear_down("uid-web")

    async def test_empty_dir_in_memory_has_its_limit(self, bench: Bench) -> None:
        path = await bench.make({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
        assert path.is_mount()
        with pytest.raises(OSError, match="No space"):
            (path / "big").write_bytes(b"x" * (2 << 20))

    async def test_projected_joins_sources_and_renews_tokens(self, bench: Bench) -> None:
        bench.refs.put(config("ca", crt="pem"), secret(key="k"))
        sources = [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 1000}},
            {"configMap": {"name": "ca", "items": [{"key": "crt", "path": "ca.crt"}]}},
            {"secret": {"name": "keys"}},
            {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]
        volume = {"projected": {"sources": sources}}
        made = await bench.make_set(volume)
        path = made.paths["v"]
        assert {f.name: f.read_text() for f in path.glob("[!.]*")} == {
            "token": "api-1",
            "ca.crt": "pem",
            "key": "k",
            "ns": "default",
        }
        assert made.refresh_at is not None
        assert abs((made.refresh_at - bench.now).total_seconds() - 800) < 5
        await bench.make(volume)
        assert bench.tokens.given == 1
        bench.now = made.refresh_at
        await bench.make(volume)
        assert (path / "token").read_text() == "api-2"

    async def test_a_token_of_a_user_is_only_theirs(self, bench: Bench) -> None:
        source = [{"serviceAccountToken": {"path": "token"}}]
        path = await bench.make({"projected": {"sources": source}}, securityContext={"runAsUser": 1000})
        found = (path / "token").stat()
        assert (found.st_uid, found.st_mode & 0o777) == (1000, 0o600)


async def test_empty_dir_keeps_what_is_in_it(bench: Bench) -> None:
    path = await bench.make({"emptyDir": {}})
    (path / "data").write_text("kept")
    assert path.stat().st_mode & 0o777 == 0o777
    assert await bench.make({"emptyDir": {}}) == path
    assert (path / "data").read_text() == "kept"


async def test_downward_api_writes_labels_and_resources(bench: Bench) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "cpu", "resourceFieldRef": {"containerName": "c0", "resource": "limits.cpu", "divisor": "1m"}},
    ]
    path = await bench.make({"downwardAPI": {"items": items}})
    assert (path / "labels").read_text() == 'app="web"\ntier="a\\"b"'
    assert (path / "cpu").read_text() == "2000"


class TestHostPath:
    """Type checks."""

    @pytest.mark.parametrize(
        ("kind", "present"),
        [("Directory", "d"), ("File", "f"), ("Socket", "s"), ("DirectoryOrCreate", "new-d"), ("FileOrCreate", "new-f")],
    )
    async def test_what_fits_is_taken(self, bench: Bench, tmp_path: Path, kind: str, present: str) -> None:
        (tmp_path / "d").mkdir()
        (tmp_path / "f").touch()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / "s"))
        listener.close()
        path = await bench.make({"hostPath": {"path": str(tmp_path / present), "type": kind}})
        assert path.exists()

    async def test_what_does_not_fit_is_refused(self, bench: Bench, tmp_path: Path) -> None:
        (tmp_path / "f").touch()
        with pytest.raises(VolumeFailure, match=r"hostPath type check failed: .* is not a directory"):
            await bench.make({"hostPath": {"path": str(tmp_path / "f"), "type": "Directory"}})
        with pytest.raises(VolumeFailure, match="must be absolute and without"):
            await bench.make({"hostPath": {"path": "/tmp/../etc"}})

    @root_only
    async def test_it_outlives_the_pod_even_where_a_part_was_mounted(self, bench: Bench, tmp_path: Path) -> None:
        host = tmp_path / "host"
        (host / "sub").mkdir(parents=True)
        data = host / "sub/data"
        data.write_text("precious")
        pod = bench.pod({"hostPath": {"path": str(host)}})
        pod.spec.containers[0].volumeMounts = [core_v1.VolumeMount(name="v", mountPath="/v", subPath="sub")]
        made = await bench.make_set({"hostPath": {"path": str(host)}})
        (mount,) = await bench.volumes.mounts(pod, pod.spec.containers[0], 0, made, {})
        seen = Path(mount.host_path, "data")
        assert is_same(seen, data)
        await bench.volumes.tear_down("uid-web")
        assert is_same(data, data)
        assert not (bench.root / "uid-web").exists()


async def test_a_type_that_is_not_known_is_named(bench: Bench) -> None:
    with pytest.raises(VolumeFailure, match="does not know volumes of type nfs"):
        await bench.make({"nfs": {"server": "x", "path": "/"}})


@root_only
class TestSubPath:
    """Parts of volumes."""

    async def mount(self, bench: Bench, mount: dict[str, Any], env: dict[str, str] | None = None) -> Path:
        pod = bench.pod({"emptyDir": {}})
        container = pod.spec.containers[0]
        container.volumeMounts = [codec.convert(core_v1.VolumeMount, {"name": "v", "mountPath": "/v", **mount})]
        (made,) = await bench.volumes.mounts(pod, container, 0, await bench.make_set({"emptyDir": {}}), env or {})
        return Path(made.host_path)

    async def test_a_missing_directory_is_made(self, bench: Bench) -> None:
        path = await self.mount(bench, {"subPathExpr": "logs/$(NAME)"}, {"NAME": "web"})
        (path / "x").write_text("1")
        assert (bench.root / "uid-web/volumes/kubernetes.io~empty-dir/v/logs/web/x").read_text() == "1"

    async def test_a_variable_that_is_not_there_is_named(self, bench: Bench) -> None:
        with pytest.raises(VolumeFailure, match='missing value for "NAME"'):
            await self.mount(bench, {"subPathExpr": "logs/$$(ME)/$(NAME)"})

    @pytest.mark.parametrize("path", ["../x", "/etc", "a/../../x"])
    async def test_paths_that_lead_out_are_refused(self, bench: Bench, path: str) -> None:
        with pytest.raises(VolumeFailure, match="must be relative"):
            await self.mount(bench, {"subPath": path})

    @pytest.mark.parametrize("target", ["/etc", "../../../../.."])
    async def test_links_that_lead_out_are_refused(self, bench: Bench, target: str) -> None:
        volume = await bench.make({"emptyDir": {}})
        (volume / "evil").symlink_to(target)
        with pytest.raises(VolumeFailure, match="leads out of the volume"):
            await self.mount(bench, {"subPath": "evil"})
        with pytest.raises(VolumeFailure, match="leads out of the volume"):
            await self.mount(bench, {"subPath": "evil/new"})


async def test_uids_that_are_paths_are_refused(bench: Bench) -> None:
    for uid in ("", "../x", "a/b"):
        with pytest.raises(ValueError, match="not a pod's uid"):
            await bench.volumes.tear_down(uid)
