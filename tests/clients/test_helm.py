"""Helm, unmodified: a chart's life from its installation to its end, on both stores."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from node_agent.runtimes.fake import Behaviour

CHART = Path(__file__).with_name("chart")
MODULE = "helm.sh/helm/v3/cmd/helm@latest"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "timonel-helm"
BUILD_SECONDS = 600
RELEASE = ("configmap", "secret", "service", "deployment", "serviceaccount", "role", "rolebinding", "tree")

Helm = Callable[..., Awaitable[str]]

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 180)


@pytest.fixture(scope="module")
def binary() -> str:
    """Helm from the PATH or, built once, from its Go module; skips where there is neither."""
    found = shutil.which("helm") or shutil.which("helm", path=CACHE)
    if found:
        return found
    if shutil.which("go") is None:
        pytest.skip("there is neither Helm nor a Go toolchain on this machine")
    built = subprocess.run(
        ["go", "install", MODULE],
        env={**os.environ, "GOBIN": str(CACHE)},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if built.returncode:
        pytest.skip(f"Helm cannot be had: {built.stderr.strip()[-300:]}")
    return str(CACHE / "helm")


@pytest.fixture
def helm(cluster: Any, binary: str, tmp_path: Path) -> Helm:
    """Runs Helm and gives what it prints; with `fails` what it complains of, and it must fail."""
    homes = {f"HELM_{name}_HOME": str(tmp_path / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")}
    for daemon in cluster.daemons.values():
        daemon.behaviours["task:1"] = Behaviour(run_seconds=0.1, output=((1, b"all is well\n"),))

    async def run(*arguments: str, fails: bool = False) -> str:
        process = await asyncio.create_subprocess_exec(
            *(binary, "--kubeconfig", str(cluster.kubeconfig), *arguments),
            env={**os.environ, **homes},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(90):
            out, err = await process.communicate()
        assert bool(process.returncode) == fails, f"helm {' '.join(arguments)}: {err.decode()}{out.decode()}"
        return (err if fails else out).decode()

    return run


async def test_a_release_s_life(cluster: Any, helm: Helm) -> None:
    async def deployed() -> Any:
        found = await cluster.get("deploy,cm", "red")
        deployment, configuration = (item for item in found["items"])
        return deployment["status"].get("readyReplicas"), configuration["data"]

    done = await helm("install", "red", str(CHART), "--wait", "--timeout=60s", "--set", "password=a=b")
    assert "STATUS: deployed\nREVISION: 1\n" in done
    assert done.endswith("NOTES:\nThe orchard is red.\n")
    assert await deployed() == (2, {"colour": "red", "namespace": "default"})
    assert (await cluster.get("pod", "red-pre-install"))["status"]["phase"] == "Succeeded"
    assert "cannot re-use a name" in await helm("install", "red", str(CHART), fails=True)

    listed = json.loads(await helm("list", "-o", "json"))
    assert [(each["name"], each["revision"], each["status"]) for each in listed] == [("red", "1", "deployed")]
    tested = await helm("test", "red", "--logs", "--timeout=60s")
    assert "Phase:          Succeeded" in tested
    assert "POD LOGS: red-check\nall is well\n" in tested

    await helm("upgrade", "red", str(CHART), "--set", "replicas=3,colour=green", "--wait", "--timeout=60s")
    assert await deployed() == (3, {"colour": "green", "namespace": "default"})
    assert json.loads(await helm("get", "values", "red", "-o", "json")) == {"replicas": 3, "colour": "green"}
    assert "colour: green" in await helm("get", "manifest", "red")
    assert "helm.sh/hook: post-upgrade" in await helm("get", "hooks", "red")

    assert await helm("rollback", "red", "1", "--wait", "--timeout=60s") == "Rollback was a success! Happy Helming!\n"
    assert await deployed() == (2, {"colour": "red", "namespace": "default"})
    history = json.loads(await helm("history", "red", "-o", "json"))
    assert [(each["revision"], each["status"]) for each in history] == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "deployed"),
    ]
    status = json.loads(await helm("status", "red", "-o", "json"))
    assert (status["version"], status["info"]["description"]) == (3, "Rollback to 1")

    await helm("uninstall", "red", "--wait", "--timeout=60s")
    assert (await cluster.get(",".join(RELEASE), "-l", "app.kubernetes.io/instance=red"))["items"] == []
    assert json.loads(await helm("list", "--all", "-o", "json")) == []
    assert await cluster.get("crd", "trees.orchard.example.com"), "Helm keeps definitions"


async def test_a_failed_upgrade_is_taken_back(cluster: Any, helm: Helm) -> None:
    """By --atomic; what failed is a Deployment whose pods do not start."""
    for daemon in cluster.daemons.values():
        daemon.behaviours["broken:1"] = Behaviour(run_seconds=0.0, exit_code=1)
    await helm("upgrade", "--install", "red", str(CHART), "--wait", "--timeout=60s", "--create-namespace", "-n", "farm")
    broken = ("--set", "image=broken:1", "--atomic", "--timeout=4s")
    assert "rolled back due to atomic being set" in await helm(
        "upgrade", "red", str(CHART), *broken, "-n", "farm", fails=True
    )
    assert json.loads(await helm("status", "red", "-n", "farm", "-o", "json"))["version"] == 3
    found = await cluster.get("deploy", "red", "-n", "farm")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "app:1"


async def test_what_is_rendered_against_the_cluster(cluster: Any, helm: Helm) -> None:
    await cluster.kubectl("apply", "-f", str(CHART / "crds"))
    await cluster.kubectl("wait", "crd", "--for=condition=Established", "trees.orchard.example.com")
    rendered = await helm("template", "red", str(CHART), "--dry-run=server", "--validate")
    assert "namespace: default" in rendered
    dry = await helm("install", "red", str(CHART), "--dry-run=server")
    assert "STATUS: pending-install" in dry
    assert "secrets" not in await cluster.kubectl("get", "secrets", "-o", "name")
    await cluster.kubectl("create", "configmap", "red")
    refused = await helm("install", "red", str(CHART), fails=True)
    assert 'ConfigMap "red" in namespace "default" exists and cannot be imported into the current release' in refused
    for subcommand in (("lint", str(CHART)), ("show", "all", str(CHART)), ("env",), ("version",)):
        assert await helm(*subcommand)
