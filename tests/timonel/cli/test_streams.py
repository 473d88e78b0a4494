"""What containers write, and commands in them: logs and exec."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from command_line import MAIN, Timonel, Wait, pod_names


def test_logs_of_a_pod_and_of_several_at_once(timonel: Timonel, running: Callable[..., None], eventually: Wait) -> None:
    running(replicas=2)
    one, other = pod_names(timonel)
    eventually(lambda: timonel("logs", one).out == "first\nsecond\nthird\n", "the pod's log")
    assert timonel("logs", f"pod/{one}", "--tail", "1").out == "third\n"
    stamped = timonel("logs", one, "--timestamps", "--tail=1").out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z third\n", stamped)
    several = timonel("logs", "deploy/web").out.splitlines()
    assert sorted(several) == sorted(
        f"[pod/{name}/main] {line}" for name in (one, other) for line in ("first", "second", "third")
    )
    assert timonel("logs", "-l", "app=web", "--tail=1", "--no-prefix").out == "third\nthird\n"
    assert timonel("logs", one, "-c", "nope").err.startswith("Error from server (BadRequest): container nope")
    assert timonel("logs", "web-nope").code == 1
    assert timonel("logs", one, "--since", "1h", "--since-time", "2026-01-01T00:00:00Z").code == 1


def test_logs_can_be_followed(
    watcher: Callable[..., Callable[[], str]], timonel: Timonel, running: Callable[..., None], eventually: Wait
) -> None:
    running()
    seen = watcher("logs", "-f", "deploy/web")
    eventually(lambda: "third" in seen(), "the log so far")


def test_exec_passes_streams_and_the_exit_code_on(
    shell: Callable[..., subprocess.CompletedProcess[str]], running: Callable[..., None]
) -> None:
    running()
    ran = shell("exec", "deploy/web", "--", "greet", "you")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "hello you\n", "and goodbye\n")
    ran = shell("exec", "deploy/web", "--", "fail", "7")
    assert (ran.returncode, ran.stderr) == (7, "command terminated with exit code 7\n")
    assert shell("exec", "deploy/web", "-i", "--", "cat", stdin="ahoy\n").stdout == "ahoy\n"
    ran = shell("exec", "deploy/web", "--", "nope")
    assert ran.returncode == 1
    assert "executable file not found" in ran.stderr
    assert shell("exec", "deploy/web").returncode == 1


def test_exec_on_a_terminal_is_raw_and_puts_it_back(
    kubeconfig: Path, namespace: str, running: Callable[..., None]
) -> None:
    import termios

    running()
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-c", MAIN, "--kubeconfig", str(kubeconfig), "-n", namespace]
    process = subprocess.Popen(
        [*command, "exec", "-it", "deploy/web", "--", "greet", "you"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    seen = b""
    deadline = time.monotonic() + 20
    while b"goodbye" not in seen and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            seen += os.read(ours, 1000)
    assert process.wait(20) == 0
    assert b"hello you" in seen
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
