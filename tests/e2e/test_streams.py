"""Logs, exec, attach, cp, port-forward, by kubectl."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from whole_cluster import IMAGE, SERVES, Namespace, container, container_id, state, wait_for


@contextmanager
def running(ns: Namespace, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A kubectl command in the background."""
    command = ns.host.command("kubectl", "-n", ns.name, *arguments)
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ns.host.env
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], words: str, seconds: float = 10) -> str:
    """What a process says, up to a line with these words."""
    assert process.stdout is not None
    said, deadline = "", time.monotonic() + seconds
    while words not in said:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
            pytest.fail(f"after {seconds} s no {words!r} in {said!r}")
        piece = os.read(process.stdout.fileno(), 4096).decode()
        if not piece:
            pytest.fail(f"it ended without {words!r}: {said!r}")
        said += piece
    return said


def test_logs(ns: Namespace) -> None:
    script = "for i in 1 2 3 4 5; do echo line $i; done; exec sleep 1000"
    ns.pod("p", containers=[container("c", script), container("d", "echo other; sleep 1000")])
    ns.ready("p")
    assert ns.logs("p", "-c", "c", "--tail=2") == "line 4\nline 5\n"
    assert ns.logs("p", "-c", "d") == "other\n"
    assert sorted(ns.logs("p", "--all-containers").splitlines())[-1] == "other"
    assert ns.logs("p", "-c", "c", "--since=1h").count("line") == 5
    assert ns.logs("p", "-c", "c", "--limit-bytes=6") == "line 1"
    stamp, _, text = ns.logs("p", "-c", "c", "--timestamps", "--tail=1").partition(" ")
    assert (stamp[:2], stamp[-1], text) == ("20", "Z", "line 5\n")
    assert "container nobody is not valid for pod p" in ns.kubectl("logs", "p", "-c", "nobody", check=False)


def test_logs_are_followed_to_their_end(ns: Namespace) -> None:
    folder = ns.host.directory / "follow" / ns.name
    ns.pod(
        "p",
        "echo first; until [ -e /h/go ]; do sleep 0.1; done; echo last",
        restartPolicy="Never",
        volumeMounts=[{"name": "h", "mountPath": "/h"}],
        volumes=[{"name": "h", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}],
    )
    ns.ready("p")
    with running(ns, "logs", "-f", "p") as follower:
        read_until(follower, "first\n")
        (folder / "go").touch()
        read_until(follower, "last\n")
        assert follower.wait(10) == 0


def test_logs_of_the_container_before(ns: Namespace) -> None:
    ns.pod("p", "echo I am $(cat /proc/sys/kernel/random/uuid); exec sleep 1000")
    before = ns.ready("p")
    said = ns.logs("p")
    assert "previous terminated container" in ns.kubectl("logs", "p", "--previous", check=False)
    ns.host.docker("kill", container_id(before))
    ns.wait_pod("p", lambda pod: state(pod)["restartCount"] == 1 and "running" in state(pod)["state"])
    assert ns.logs("p", "--previous") == said
    assert ns.logs("p") != said


def test_exec(ns: Namespace) -> None:
    ns.pod("p", "sleep 1000")
    ns.ready("p")
    assert ns.exec("p", "echo out; echo err >&2") == "out\n"
    assert ns.kubectl("exec", "-i", "p", "--", "sh", "-c", "tr a-z A-Z", stdin="hello\n" * 10000) == "HELLO\n" * 10000
    failed = ns.host.run("kubectl", "-n", ns.name, "exec", "p", "--", "sh", "-c", "exit 7", check=False)
    assert failed.returncode == 7
    absent = ns.host.run("kubectl", "-n", ns.name, "exec", "p", "--", "no-such-command", check=False)
    assert absent.returncode in (126, 127)
    assert "no-such-command" in absent.stdout + absent.stderr


def test_exec_in_a_terminal(ns: Namespace) -> None:
    ns.pod("p", "sleep 1000")
    ns.ready("p")
    master, slave = pty.openpty()
    command = ns.host.command("kubectl", "-n", ns.name, "exec", "-it", "p", "--", "sh")
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=ns.host.env, start_new_session=True
    )
    os.close(slave)
    said = b""

    def says(words: bytes) -> bool:
        nonlocal said
        if select.select([master], [], [], 0)[0]:
            said += os.read(master, 4096)
        return words in said

    try:
        wait_for(lambda: says(b"# "), 10, "a prompt")
        os.write(master, b"tty; exit 3\n")
        wait_for(lambda: says(b"/dev/pts/"), 10, "the name of a terminal")
        assert process.wait(10) == 3
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_cp_both_ways(ns: Namespace, tmp_path: Path) -> None:
    ns.pod("p", "sleep 1000")
    ns.ready("p")
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(300_000))
    ns.kubectl("cp", str(there), "p:/tmp/file")
    ns.kubectl("cp", "p:/tmp/file", str(back))
    assert back.read_bytes() == there.read_bytes()


def test_attach(ns: Namespace) -> None:
    ns.pod("p", "while read line; do echo you said $line; done", stdin=True)
    ns.ready("p")
    with running(ns, "attach", "-i", "p") as attached:
        assert attached.stdin is not None
        attached.stdin.write("ahoy\n")
        attached.stdin.flush()
        read_until(attached, "you said ahoy")


def test_port_forward(ns: Namespace) -> None:
    ns.pod("p", SERVES)
    ns.ready("p")
    with running(ns, "port-forward", "pod/p", "18082:8080") as forwarder:
        read_until(forwarder, "Forwarding from 127.0.0.1:18082")
        for _ in range(3):
            assert ns.host.http("http://127.0.0.1:18082/")[0] == 200


def test_proxies(ns: Namespace) -> None:
    ns.pod("p", SERVES, labels={"app": "p"}, ports=[{"name": "web", "containerPort": 8080}])
    node = ns.ready("p")["spec"]["nodeName"]
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    ns.create("services", {"metadata": {"name": "s"}, "spec": {"selector": {"app": "p"}, "ports": ports}})
    base = f"/api/v1/namespaces/{ns.name}"

    def through_service() -> str:
        return ns.kubectl("get", "--raw", f"{base}/services/s:http/proxy/", check=False)

    direct = ns.kubectl("get", "--raw", f"{base}/pods/p/proxy/")
    wait_for(lambda: through_service() == direct, 10, "the service leads to the pod")
    refused = ns.kubectl("get", "--raw", f"{base}/pods/p:1/proxy/", check=False)
    address = ns.wait_pod("p", lambda pod: pod["status"].get("podIP"))["status"]["podIP"]
    assert f"error trying to reach service: dial tcp {address}:1: connect: connection refused" in refused
    of_node = f"/api/v1/nodes/{node}/proxy"
    assert ns.kubectl("get", "--raw", f"{of_node}/healthz") == "ok"
    assert ns.kubectl("get", "--raw", f"{of_node}/containerLogs/{ns.name}/p/c") == ns.logs("p")


def test_debugging(ns: Namespace) -> None:
    ns.pod("p", "exec sleep 4321")
    node = ns.ready("p")["spec"]["nodeName"]
    look = ["--", "sh", "-c", "until ps | grep -v grep | grep 'sleep 4321'; do sleep 0.1; done"]
    ns.kubectl("debug", "p", f"--image={IMAGE}", "--target=c", "--container=eye", *look)
    wait_for(lambda: "sleep 4321" in ns.kubectl("logs", "p", "-c", "eye", check=False), 20, "it sees the processes")
    ns.kubectl("debug", f"node/{node}", f"--image={IMAGE}", "--", "ls", "/host")
    [debugger] = [pod["metadata"]["name"] for pod in ns.cluster.list("pods", ns.name) if "debugger" in str(pod)]
    wait_for(lambda: "etc" in ns.kubectl("logs", debugger, check=False).split(), 20, "it sees the machine's files")
