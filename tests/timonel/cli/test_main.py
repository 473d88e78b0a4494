"""The command itself: what it loads, its exit codes, and how it says what went wrong."""

from __future__ import annotations

import ast
import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from timonel.api.errors import ApplyConflict, Conflict, Forbidden, Invalid, NotFound, StatusError, Unauthorized
from timonel.api.fields import invalid, required
from timonel.api.types.meta_v1 import StatusCause
from timonel.cli import commands, main
from timonel.cli.context import Duration
from timonel.cli.errors import CliError, explain
from timonel.cli.lazy import summaries
from timonel.client import Unreachable
from timonel.discovery import UnknownResource
from timonel.kubeconfig import KubeconfigError

COMMANDS = sorted(summaries("timonel.cli.commands"))
HEAVY = ("aiohttp", "rich", "yaml", "msgspec", "numpy", "grpc", "cryptography", "docker", "timonel.client")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str, offline: Callable[..., Any]) -> None:
    ran = offline(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: timonel {name}")


def test_help_lists_every_command_with_the_first_line_of_its_module(offline: Callable[..., Any]) -> None:
    shown = " ".join(offline("--help").out.split())
    for file in Path(str(commands.__file__)).parent.glob("[a-z]*.py"):
        summary = (ast.get_docstring(ast.parse(file.read_text())) or "").splitlines()[0].rstrip(".")
        assert f"{file.stem.replace('_', '-')} {summary}" in shown


def test_help_imports_nothing_that_talks_and_no_command() -> None:
    code = (
        "import sys; from timonel.cli.main import run; run(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules],"
        "[name for name in sys.modules if name.startswith('timonel.cli.commands.')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.splitlines()[-1] == "[] []"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gett"], "No such command 'gett'. Did you mean 'get'?"),
        (["xyzzy"], "No such command 'xyzzy'."),
        (["get", "--outptu", "json"], "No such option '--outptu'"),
        (["exec"], "Missing argument"),
        (["scale", "deploy/web"], "Missing option '--replicas'"),
        (["apply", "-f", "x", "--timeout", "soon"], "'soon' is no time span such as 30s, 5m or 1h30m"),
    ],
)
def test_misuse_is_exit_code_2(arguments: list[str], said: str, offline: Callable[..., Any]) -> None:
    ran = offline(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_an_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main.cli, "main", interrupted)
    assert main.run([]) == 130


def test_a_fault_of_ours_is_told_without_a_traceback_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(**_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(main.cli, "main", faulty)
    monkeypatch.delenv("TIMONEL_DEBUG", raising=False)
    assert main.run([]) == 1
    assert capsys.readouterr().err.startswith("internal error: ZeroDivisionError: oh\n")
    monkeypatch.setenv("TIMONEL_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main.run([])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kubeconfig_for(server: str) -> str:
    return (
        f"apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n"
        "contexts: [{name: c, context: {cluster: c}}]\n"
    )


def test_a_server_that_is_not_there_is_named_with_what_to_do(offline: Callable[..., Any], tmp_path: Path) -> None:
    server = f"http://127.0.0.1:{free_port()}"
    (tmp_path / "config").write_text(kubeconfig_for(server))
    ran = offline("--kubeconfig", str(tmp_path / "config"), "get", "pods")
    assert (ran.code, ran.out) == (1, "")
    assert f"cannot reach {server}" in ran.err
    assert "Is the cluster up?" in ran.err
    assert "timonel up" in ran.err


def test_kubeconfigs_are_looked_for_in_order(
    offline: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--kubeconfig, $KUBECONFIG, the local cluster's, ~/.kube/config: each leads to another server."""
    servers = {name: f"http://127.0.0.1:{free_port()}" for name in ("home", "local", "env", "option")}
    places = {
        "home": tmp_path / ".kube" / "config",
        "local": tmp_path / "timonel" / "clusters" / "local" / "master" / "admin.kubeconfig",
        "env": tmp_path / "env",
        "option": tmp_path / "option",
    }
    arguments: list[str] = []
    assert "kubeconfig" in offline("get", "pods").err
    for name, path in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(kubeconfig_for(servers[name]))
        if name == "env":
            monkeypatch.setenv("KUBECONFIG", str(path))
        if name == "option":
            arguments = ["--kubeconfig", str(path)]
        assert servers[name] in offline(*arguments, "get", "pods").err, name
        assert servers[name] in offline("get", "pods", *arguments).err, name


def test_several_kubeconfigs_count_together(
    offline: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    (tmp_path / "one").write_text(kubeconfig_for(one))
    (tmp_path / "two").write_text(
        kubeconfig_for(two).replace("name: c,", "name: d,").replace("cluster: c}", "cluster: d}")
    )
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/one:{tmp_path}/nope:{tmp_path}/two")
    assert one in offline("get", "pods").err
    assert two in offline("get", "pods", "--context", "d").err
    assert 'has no context "e"; it has: c, d' in offline("get", "pods", "--context", "e").err


CAUSES = [
    StatusCause(field=".spec.a", message='conflict with "x"'),
    StatusCause(field=".b", message='conflict with "y"'),
]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CliError("no"), "error: no"),
        (UnknownResource("no kind"), "error: no kind"),
        (KubeconfigError("no file"), "error: no file"),
        (NotFound("pods", "p"), 'Error from server (NotFound): pods "p" not found'),
        (Forbidden("pods", "p", "no"), 'Error from server (Forbidden): pods "p" is forbidden: no'),
        (Unauthorized(), "error: You must be logged in to the server (Unauthorized)"),
        (Conflict("pods", "p", "old"), 'Error from server (Conflict): Operation cannot be fulfilled on pods "p": old'),
        (StatusError("odd"), "Error from server: odd"),
        (Invalid("Pod", "p", [required("spec.a")]), 'The Pod "p" is invalid: spec.a: Required value'),
        (
            Invalid("Pod", "p", [required("a"), invalid("b", 1, "too small")]),
            'The Pod "p" is invalid:\n* a: Required value\n* b: Invalid value: 1: too small',
        ),
        (
            ApplyConflict("m", CAUSES),
            "error: the server refuses to take fields over from others:\n"
            '* .spec.a: conflict with "x"\n* .b: conflict with "y"',
        ),
        (
            Unreachable("cannot reach https://x: refused"),
            "error: cannot reach https://x: refused\n"
            "Is the cluster up? 'timonel status' tells, 'timonel up' starts one.",
        ),
        (FileNotFoundError(2, "No such file", "x.yaml"), "error: x.yaml: No such file"),
    ],
)
def test_errors_in_words(error: Exception, text: str) -> None:
    assert click.unstyle(explain(error)) == text


def test_notes_follow_the_error() -> None:
    error = NotFound("pods", "wbe")
    error.add_note('did you mean "web"?')
    assert click.unstyle(explain(error)).splitlines()[1:] == ['  did you mean "web"?']


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1h30m", 5400), ("500ms", 0.5), ("2d", 172800), ("10", 10), ("1.5m", 90)]
)
def test_time_spans(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, offline: Callable[..., Any]) -> None:
    ran = offline("completion", shell)
    assert ran.code == 0
    assert "_TIMONEL_COMPLETE" in ran.out


def complete(words: str, *, kubeconfig: Path) -> list[str]:
    """What the shell would offer for the last word."""
    env = {**os.environ, "_TIMONEL_COMPLETE": "bash_complete", "COMP_WORDS": words, "KUBECONFIG": str(kubeconfig)}
    env["COMP_CWORD"] = str(len(words.split(" ")) - 1)
    code = "from timonel.cli.main import main; main()"
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=30)
    assert ran.stderr == ""
    return [line.partition(",")[2] for line in ran.stdout.splitlines() if line]


async def test_commands_kinds_and_names_are_completed(kubeconfig: Path) -> None:
    async def ask(words: str, config: Path = kubeconfig) -> list[str]:
        return await asyncio.to_thread(complete, words, kubeconfig=config)

    assert await ask("timonel un") == ["uncordon"]
    assert await ask("timonel get deplo") == ["deployments"]
    assert await ask("timonel get nodes n") == ["n1", "n2"]
    assert await ask("timonel describe node/n") == ["node/n1", "node/n2"]
    assert await ask("timonel cordon n") == ["n1", "n2"]
    assert await ask("timonel get nodes n", config=Path("/nowhere")) == []
