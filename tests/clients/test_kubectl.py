"""kubectl, one test for each verb; what each prints stands in `kubectl.yaml`."""

import asyncio
import base64
import json
import re
import shlex
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import kubectl as installed
import pytest
import pytest_asyncio
import yaml
from aiohttp import ClientSession, UnixConnector
from cluster_in_process import running
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node_agent.runtimes.fake import Behaviour

VERBS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("kubectl.yaml").read_text())
ELSEWHERE = {"attach", "completion", "cp", "debug", "edit", "exec", "plugin", "port-forward", "proxy"}
"""Verbs with tests of their own: below, in tests/master/apiserver/test_kubectl*.py and tests/e2e."""
KUSTOMIZATION = "configMapGenerator: [{name: made, literals: [a=b]}]\n"
SECONDS = 60

pytestmark = [pytest.mark.kubectl, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Any]:
    """One cluster for all verbs."""
    async with running(tmp_path_factory.mktemp("kubectl"), None) as made:
        for daemon in made.daemons.values():
            daemon.behaviours["speaks:1"] = Behaviour(output=((1, b"first\n"), (1, b"second\n")))
        yield made


def csr(name: str) -> str:
    """A request for a certificate, which its author signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    spec = {"signerName": "example.com/signer", "usages": ["client auth"], "request": base64.b64encode(pem).decode()}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return json.dumps({**kind, "metadata": {"name": name}, "spec": spec})


async def run(cluster: Any, namespace: str, line: str, stdin: str = "") -> tuple[int | None, str, str]:
    """The exit code of a command line, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", f"--kubeconfig={cluster.kubeconfig}", f"--cache-dir={cluster.directory / 'cache'}"),
        *(f"--namespace={namespace}", *shlex.split(line)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await process.communicate(stdin.encode())
    return process.returncode, out.decode(), err.decode()


def matches(expected: str, said: str) -> bool:
    """Whether `said` is as expected, where blanks are as good as any others, and ... is anything."""
    pieces = (r"\s+".join(re.escape(word) for word in re.split(r"\s+", piece)) for piece in expected.split("..."))
    return re.fullmatch(rf"\s*{'.*'.join(pieces)}\s*", f"{said}\n", re.DOTALL) is not None


async def step(cluster: Any, namespace: str, todo: dict[str, Any], names: dict[str, str]) -> None:
    """Run one step; where it says `until`, again and again for so many seconds, until it prints what is expected."""
    filled = dict(todo)
    if isinstance(todo.get("stdin"), dict):
        filled["stdin"] = json.dumps(todo["stdin"])
    for key in ("run", "stdin", "prints", "fails"):
        for name, value in names.items():
            filled[key] = filled.get(key, "").replace(f"{{{name}}}", value)
    code = todo.get("code", 1 if "fails" in todo else 0)
    deadline = time.monotonic() + todo.get("until", 0)
    while True:
        ended, out, err = await run(cluster, namespace, filled["run"], filled["stdin"])
        expected, said = (filled["fails"], err) if "fails" in todo else (filled["prints"] or "...", out)
        good = ended == code and matches("" if todo.get("prints") == "" else expected, said)
        if good or time.monotonic() > deadline:
            break
    assert good, f"kubectl {filled['run']} ended with {ended}:\n{out}{err}\nexpected {code}:\n{expected}"


@pytest.mark.parametrize("verb", VERBS, ids=[each["verb"] for each in VERBS])
async def test_a_verb(shared: Any, tmp_path: Path, verb: dict[str, Any]) -> None:
    if reason := installed.unfit(verb.get("min", "1.20")):
        pytest.skip(reason)
    namespace = verb["verb"]
    await asyncio.to_thread((tmp_path / "kustomization.yaml").write_text, KUSTOMIZATION)
    names = {"namespace": namespace, "directory": str(tmp_path), "csr": csr(namespace)}
    await shared.kubectl("create", "namespace", namespace)
    for todo in verb["steps"]:
        if not installed.unfit(todo.get("min", "1.20")):
            await step(shared, namespace, todo, names)


async def test_every_verb_is_tested(shared: Any) -> None:
    _, out, _ = await run(shared, "default", "--help")
    verbs = set(re.findall(r"^  ([a-z-]+) {2,}\S", out, re.MULTILINE))
    assert verbs - ELSEWHERE <= {each["verb"] for each in VERBS}
    assert "get" in verbs


async def test_edit(shared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await shared.kubectl("create", "configmap", "edited", "--from-literal=a=before")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i s/before/after/")
    assert await run(shared, "default", "edit cm edited") == (0, "configmap/edited edited\n", "")
    assert (await shared.get("cm", "edited"))["data"] == {"a": "after"}
    assert (await run(shared, "default", "edit cm edited"))[2] == "Edit cancelled, no changes made.\n"


async def test_debug(shared: Any) -> None:
    await shared.kubectl("run", "p", "--image=app:1")
    await shared.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=30s")
    code, _, _ = await run(shared, "default", "debug p --image=speaks:1 -c looks --attach=false")
    assert code == 0
    pod = await shared.get("pod", "p")
    assert [each["name"] for each in pod["spec"]["ephemeralContainers"]] == ["looks"]
    copied = await run(shared, "default", "debug p --copy-to=q --set-image=*=app:2 --attach=false")
    assert copied[0] == 0
    assert (await shared.get("pod", "q"))["spec"]["containers"][0]["image"] == "app:2"


@asynccontextmanager
async def proxy(shared: Any, option: str) -> AsyncIterator[str]:
    """`kubectl proxy`: where it serves."""
    process = await asyncio.create_subprocess_exec(
        *("kubectl", f"--kubeconfig={shared.kubeconfig}", "proxy", option), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        said = (await process.stdout.readline()).decode()
    yield said.removeprefix("Starting to serve on ").strip()
    process.terminate()
    await process.wait()


async def test_proxy(shared: Any) -> None:
    async with proxy(shared, "--port=0") as address:
        _, out, _ = await run(shared, "default", f"--server=http://{address} get namespace default -o name")
    assert out == "namespace/default\n"


async def test_proxy_on_a_socket(shared: Any, tmp_path: Path) -> None:
    async with (
        proxy(shared, f"--unix-socket={tmp_path}/proxy") as path,
        ClientSession(connector=UnixConnector(path)) as session,
        session.get("http://localhost/api/") as answer,
    ):
        assert (await answer.json())["versions"] == ["v1"]
