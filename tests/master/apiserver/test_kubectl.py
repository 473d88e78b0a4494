"""An unmodified kubectl against the server."""

import asyncio
import json
import os
import re
import termios
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from master.registry.streams import Channel, Exec
from timonel.api import codec
from timonel.api.types import core_v1, meta_v1

pytestmark = pytest.mark.kubectl

Kubectl = Callable[..., Awaitable[Any]]
Pod = Callable[..., Awaitable[core_v1.Pod]]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]

MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data: {k: %s}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: a, ports: [{containerPort: 80}]}
      - {name: d, image: b}
"""


async def ok(kubectl: Kubectl, *arguments: str, stdin: str = "") -> str:
    ran = await kubectl(*arguments, stdin=stdin)
    assert ran.code == 0, ran.err
    return str(ran.out)


async def test_objects_by_typed_clients_which_send_protobuf(kubectl: Kubectl) -> None:
    await ok(kubectl, "create", "namespace", "n")
    await ok(kubectl, "create", "configmap", "m", "-n", "n", "--from-literal=a=b")
    await ok(kubectl, "create", "secret", "generic", "s", "-n", "n", "--from-literal=a=\u00e9")
    await ok(kubectl, "create", "deployment", "web", "--image=i:1", "--replicas=0", "--port=80")
    found = json.loads(await ok(kubectl, "get", "cm/m", "secret/s", "-n", "n", "-o", "json"))
    assert [item["data"] for item in found["items"]] == [{"a": "b"}, {"a": "w6k="}]
    web = json.loads(await ok(kubectl, "get", "deploy", "web", "-o", "json"))
    assert web["spec"]["replicas"] == 0, "zero is not absence where the field is a pointer"
    assert web["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 80
    assert "generateName" not in web["metadata"]


async def test_apply_diff_and_replace(kubectl: Kubectl) -> None:
    assert await ok(kubectl, "apply", "-f", "-", stdin=MAP % "v1") == "configmap/m created\n"
    assert await ok(kubectl, "apply", "-f", "-", stdin=MAP % "v1") == "configmap/m unchanged\n"
    differs = await kubectl("diff", "-f", "-", stdin=MAP % "v2")
    assert differs.code == 1
    assert "+  k: v2" in differs.out
    assert await ok(kubectl, "apply", "-f", "-", stdin=MAP % "v2") == "configmap/m configured\n"
    assert (await kubectl("diff", "-f", "-", stdin=MAP % "v2")).code == 0
    assert await ok(kubectl, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=MAP % "v3")
    await ok(kubectl, "replace", "-f", "-", stdin=MAP % "v4")
    assert await ok(kubectl, "get", "cm", "m", "-o", "jsonpath={.data.k}") == "v4"


async def test_client_side_apply_merges_lists_by_their_keys(kubectl: Kubectl) -> None:
    await ok(kubectl, "apply", "-f", "-", stdin=DEPLOYMENT)
    await ok(kubectl, "set", "image", "deploy/web", "d=other")
    await ok(kubectl, "apply", "-f", "-", stdin=DEPLOYMENT.replace("image: a", "image: z"))
    images = await ok(kubectl, "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}")
    assert images == "z b"


async def test_patches_labels_and_scale(kubectl: Kubectl) -> None:
    await ok(kubectl, "apply", "-f", "-", stdin=DEPLOYMENT)
    await ok(kubectl, "patch", "deploy", "web", "-p", '{"spec":{"replicas":3}}')
    await ok(kubectl, "patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"minReadySeconds":2}}')
    await ok(
        kubectl, "patch", "deploy", "web", "--type=json", "-p", '[{"op":"add","path":"/spec/paused","value":true}]'
    )
    await ok(kubectl, "label", "deploy", "web", "tier=front")
    await ok(kubectl, "annotate", "deploy", "web", "note=x")
    await ok(kubectl, "scale", "deploy", "web", "--replicas=5", "--current-replicas=3")
    spec = json.loads(await ok(kubectl, "get", "deploy", "web", "-o", "json"))["spec"]
    assert (spec["replicas"], spec["minReadySeconds"], spec["paused"]) == (5, 2, True)
    assert await ok(kubectl, "get", "deploy", "-l", "tier=front", "-o", "name") == "deployment.apps/web\n"


async def test_tables(kubectl: Kubectl, running_pod: Pod) -> None:
    await running_pod("p")
    lines = (await ok(kubectl, "get", "pods")).splitlines()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert lines[1].split()[:4] == ["p", "0/1", "Pending", "0"]
    assert "n1" in await ok(kubectl, "get", "pods", "-A", "-o", "wide", "--field-selector=spec.nodeName=n1")
    assert "pod/p" in await ok(kubectl, "get", "all", "--chunk-size=1")
    assert "p" in await ok(kubectl, "describe", "pod", "p")


async def test_watching(kubectl: Kubectl) -> None:
    await ok(kubectl, "create", "configmap", "first")
    watching = asyncio.ensure_future(kubectl("get", "cm", "-w", "--request-timeout=3s", "-o", "name"))
    await ok(kubectl, "create", "configmap", "second")
    lines = (await watching).out.splitlines()
    assert lines[0] == "configmap/first"
    assert "configmap/second" in lines


@pytest.mark.kubectl(min="1.25")
async def test_validation(kubectl: Kubectl) -> None:
    wrong = MAP.replace("\ndata:", "\ndta:") % "v"
    strict = await kubectl("create", "-f", "-", "--validate=strict", stdin=wrong)
    assert strict.code != 0
    assert 'unknown field "dta"' in strict.err
    warned = await kubectl("create", "-f", "-", "--validate=warn", stdin=wrong)
    assert warned.code == 0
    assert 'Warning: unknown field "dta"' in warned.err


async def test_an_older_kubectl_checks_fields_by_itself(kubectl: Kubectl) -> None:
    refused = await kubectl("create", "-f", "-", stdin=MAP.replace("\ndata:", "\ndta:") % "v")
    assert refused.code != 0
    assert 'unknown field "dta"' in refused.err
    unknown = await kubectl("create", "-f", "-", stdin="apiVersion: v1\nkind: Teapot\nmetadata: {name: t}\n")
    assert 'no matches for kind "Teapot" in version "v1"' in unknown.err


async def test_deleting(kubectl: Kubectl, running_pod: Pod) -> None:
    for name in ("a", "b"):
        await ok(kubectl, "create", "configmap", name)
    await ok(kubectl, "delete", "cm", "a", "--cascade=background")
    await ok(kubectl, "delete", "cm", "--all")
    await running_pod("p")
    await ok(kubectl, "delete", "pod", "p", "--grace-period=0", "--force")
    assert (await kubectl("get", "pod", "p")).err == 'Error from server (NotFound): pods "p" not found\n'
    assert await ok(kubectl, "delete", "pod", "p", "--ignore-not-found") == ""


async def test_what_there_is(kubectl: Kubectl) -> None:
    names = await ok(kubectl, "api-resources", "--no-headers")
    assert any(
        line.split() == ["deployments", "deploy", "apps/v1", "true", "Deployment"] for line in names.splitlines()
    )
    assert "apps/v1" in (await ok(kubectl, "api-versions")).splitlines()
    explained = await ok(kubectl, "explain", "pod.spec.containers.livenessProbe")
    assert "Periodic probe of container liveness" in explained
    assert re.search(r"httpGet\s+<(HTTPGetAction|Object)>", explained)
    version = json.loads(await ok(kubectl, "version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"].startswith("v1.35.0+timonel-")
    assert "is running at" in await ok(kubectl, "cluster-info")


async def test_logs(served: Any, kubectl: Kubectl, running_pod: Pod) -> None:
    async def script(stream: Any) -> None:
        stream.say(Channel.STDOUT, f"{stream.target.container}: hello\n".encode())
        stream.end()

    served.nodes.script = script
    await running_pod("p", "a", "b")
    assert await ok(kubectl, "logs", "p", "-c", "b", "--tail=5") == "b: hello\n"
    assert sorted((await ok(kubectl, "logs", "p", "--all-containers")).split("\n")) == ["", "a: hello", "b: hello"]


async def test_exec(served: Any, kubectl: Kubectl, running_pod: Pod) -> None:
    async def script(stream: Any) -> None:
        if stream.request.stdin:
            text = b""
            while (frame := await stream.heard.get()).channel is not Channel.CLOSE:
                text += frame.data
            stream.say(Channel.STDOUT, text.upper())
            stream.say(Channel.STATUS, codec.encode(meta_v1.Status(status="Success")))
            return
        causes = [meta_v1.StatusCause(reason="ExitCode", message="7")]
        stream.say(Channel.STDERR, b"no\n")
        stream.say(
            Channel.STATUS,
            codec.encode(
                meta_v1.Status(
                    status="Failure",
                    reason="NonZeroExitCode",
                    message="command terminated with exit code 7",
                    details=meta_v1.StatusDetails(causes=causes),
                )
            ),
        )

    served.nodes.script = script
    await running_pod("p")
    await running_pod("cut-off", node="gone")
    assert await ok(kubectl, "exec", "-i", "p", "--", "tr", "a-z", "A-Z", stdin="hello") == "HELLO"
    failed = await kubectl("exec", "p", "--", "false")
    assert (failed.code, failed.err) == (7, "no\ncommand terminated with exit code 7\n")
    assert served.nodes.streams[-1].request == Exec(("false",))
    assert 'pods "absent" not found' in (await kubectl("exec", "absent", "--", "ls")).err
    assert 'node "gone" is not connected' in (await kubectl("exec", "cut-off", "--", "ls")).err


async def test_exec_in_a_terminal(served: Any, kubectl: Kubectl, running_pod: Pod, eventually: Eventually) -> None:
    sizes: list[dict[str, int]] = []

    async def script(stream: Any) -> None:
        text = b""
        while not text.endswith(b"\r"):
            frame = await stream.heard.get()
            if frame.channel is Channel.RESIZE:
                sizes.append(json.loads(frame.data))
            else:
                text += frame.data
        stream.say(Channel.STDOUT, b"you said " + text.strip() + b"\r\n")
        stream.say(Channel.STATUS, codec.encode(meta_v1.Status(status="Success")))

    served.nodes.script = script
    await running_pod("p")
    ours, theirs = os.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "exec", "-it", "p", "--", "sh"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "KUBECONFIG": str(served.kubeconfig)},
    )
    os.close(theirs)
    await eventually(lambda: bool(sizes))  # by then the terminal is raw
    os.write(ours, b"hello\r")
    async with asyncio.timeout(15):
        assert await process.wait() == 0
    assert b"you said hello" in os.read(ours, 4096)
    os.close(ours)
    assert sizes[0] == {"Width": 80, "Height": 24}
    assert served.nodes.streams[0].request == Exec(("sh",), stdin=True, stderr=False, tty=True)
