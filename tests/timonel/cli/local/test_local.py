"""The local cluster's parts that need no cluster: processes, files, ports and ranges, the user's kubeconfig."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from timonel.cli.errors import CliError
from timonel.cli.local import cluster, merging, processes
from timonel.cli.local.layout import Layout, Shape

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()",
]


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("TIMONEL_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "user-config"))
    return Layout.of("test")


def wait_for_text(path: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in path.read_text():
        assert time.monotonic() < deadline, f"{path} never said {text!r}"
        time.sleep(0.01)


def test_a_process_is_found_again_by_its_record_and_stopped(tmp_path: Path) -> None:
    started = processes.start("node-1", "node", "node-1", SLEEPER, tmp_path)
    assert processes.recorded(tmp_path) == [started]
    assert started.alive
    processes.stop([started])
    assert not started.alive
    processes.stop([started])


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    deaf = processes.start("deaf", "node", "", STUBBORN, tmp_path)
    wait_for_text(tmp_path / "deaf.log", "deaf")
    processes.stop([deaf])
    os.waitpid(deaf.pid, 0)
    assert not deaf.alive


def test_another_process_with_the_same_pid_is_not_ours() -> None:
    """A pid is used again after a while: it must not be killed for one of ours."""
    me = processes.Process("x", "node", "", os.getpid(), started=1)
    assert not me.alive
    processes.stop([me])


def test_the_end_of_a_process_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    failing = processes.start("bad", "node", "", [sys.executable, "-c", "raise SystemExit('no such port')"], tmp_path)
    os.waitpid(failing.pid, 0)
    with pytest.raises(processes.ProcessFailed, match="no such port"):
        processes.check(failing, tmp_path)


def test_nodes_that_start_together_are_processes_of_their_own(tmp_path: Path) -> None:
    """Each has its pid, session, name and log, and ends alone; these end because nothing tells them how to join."""
    arguments = {f"node-{i}": ["--name", f"node-{i}", "--state-dir", str(tmp_path / f"{i}")] for i in (1, 2)}
    common = ["--master", "127.0.0.1:1", "--runtime", "fake"]
    started = processes.start_nodes({node: [*own, *common] for node, own in arguments.items()}, tmp_path / "processes")
    assert processes.recorded(tmp_path / "processes") == started
    assert [process.node for process in started] == ["node-1", "node-2"]
    assert len({process.pid for process in started}) == 2
    for process in started:
        wait_for_text(tmp_path / "processes" / f"{process.name}.log", "this node has not joined a cluster yet")


def test_nodes_that_cannot_start_are_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(processes.ProcessFailed, match="required: --name"):
        processes.start_nodes({"node-1": []}, tmp_path)
    assert processes.recorded(tmp_path) == []


async def test_what_waits_ends_with_the_process_that_it_waits_for(layout: Layout) -> None:
    process = processes.start("node-1", "node", "node-1", SLEEPER, layout.processes)

    async def wait_for_something() -> None:
        async with asyncio.timeout(10), cluster.watched(layout):
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.Event().wait()

    with pytest.raises(processes.ProcessFailed, match="node-1"):
        await wait_for_something()


def test_the_first_range_without_a_route_is_taken() -> None:
    assert cluster.free_cidr([]) == IPv4Network("10.244.0.0/16")
    taken = [IPv4Network("10.244.3.0/24"), IPv4Network("10.245.0.0/16"), IPv4Network("192.168.0.0/16")]
    assert cluster.free_cidr(taken) == IPv4Network("10.246.0.0/16")
    with pytest.raises(CliError, match="no range is left"):
        cluster.free_cidr([IPv4Network("10.0.0.0/8")])


def test_a_taken_port_is_replaced(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        monkeypatch.setattr(cluster, "API_PORT", taken.getsockname()[1])
        shape = cluster.choose(layout, 2, "embedded")
    ports = [shape.api_port, shape.bootstrap_port, shape.node_port]
    assert taken is not None
    assert len(set(ports)) == 3
    assert cluster.API_PORT not in ports


def test_a_cluster_keeps_its_shape_and_its_store(layout: Layout) -> None:
    layout.save(Shape(3, "embedded", 1, 2, 3, "10.250.0.0/16"))
    assert cluster.choose(layout, 1, "embedded") == Shape(3, "embedded", 1, 2, 3, "10.250.0.0/16")
    assert cluster.choose(layout, 5, "embedded").nodes == 5
    with pytest.raises(CliError, match="embedded store, not in etcd"):
        cluster.choose(layout, 3, "etcd")


def test_clusters_of_one_name_in_two_homes_have_labels_of_their_own(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIMONEL_HOME", str(tmp_path / "other"))
    assert Layout.of("test").label != layout.label
    assert layout.label.startswith("test-")


CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "timonel", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "admin", "user": {}}],
    "contexts": [{"name": "admin@timonel", "context": {"cluster": "timonel", "user": "admin"}}],
    "current-context": "admin@timonel",
}
OTHERS = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "work", "cluster": {"server": "https://work"}}],
    "users": [{"name": "me", "user": {"token": "t"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
    "current-context": "work",
    "preferences": {"colors": True},
}


def made(layout: Layout) -> Path:
    layout.master.mkdir(parents=True)
    layout.kubeconfig.write_text(yaml.safe_dump(CONFIG))
    return merging.user_kubeconfig()


def test_merging_adds_the_cluster_and_keeps_the_rest(layout: Layout) -> None:
    path = made(layout)
    path.write_text(yaml.safe_dump(OTHERS))
    for _ in range(2):
        merging.merge(layout)
    config = yaml.safe_load(path.read_text())
    for section in ("clusters", "users", "contexts"):
        assert sorted(entry["name"] for entry in config[section]) == sorted(
            [OTHERS[section][0]["name"], "timonel-test"]  # type: ignore[index]
        )
    assert config["current-context"] == "timonel-test"
    assert config["preferences"] == {"colors": True}
    assert path.stat().st_mode & 0o777 == 0o600
    merging.remove_from_user_kubeconfig(layout)
    assert yaml.safe_load(path.read_text()) == {**OTHERS, "current-context": ""}


def test_a_kubeconfig_is_made_where_there_is_none(layout: Layout) -> None:
    path = made(layout)
    assert merging.merge(layout) == path
    assert yaml.safe_load(path.read_text())["current-context"] == "timonel-test"


@pytest.mark.parametrize("text", ["- not\n- a config", "a: [unclosed"])
def test_a_file_that_is_no_kubeconfig_is_left_alone(layout: Layout, text: str) -> None:
    path = made(layout)
    path.write_text(text)
    with pytest.raises(CliError, match="nothing was changed"):
        merging.merge(layout)
    assert path.read_text() == text


def test_without_a_cluster_there_is_no_kubeconfig(layout: Layout) -> None:
    with pytest.raises(CliError, match="timonel up"):
        merging.named(layout)
