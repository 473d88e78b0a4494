"""Admission webhooks as kubectl meets them: one server that changes and judges ConfigMaps."""

import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

pytestmark = pytest.mark.kubectl

Kubectl = Callable[..., Awaitable[Any]]

CONFIGURATION = """
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}WebhookConfiguration
metadata: {{name: {kind}}}
webhooks:
- name: {path}.example.com
  clientConfig: {{url: "https://127.0.0.1:{port}/{path}", caBundle: {authority}}}
  rules:
  - {{operations: [CREATE, UPDATE], apiGroups: [""], apiVersions: [v1], resources: [configmaps]}}
  namespaceSelector: {{matchLabels: {{guarded: "yes"}}}}
  sideEffects: None
  admissionReviewVersions: [v1]
"""
PATCH = [{"op": "add", "path": "/data/added", "value": "by-webhook"}]


async def answer(request: web.Request) -> web.Response:
    """Adds a key to every ConfigMap, and refuses those with the key ``bad``."""
    review = json.loads(await request.read())
    asked = review["request"]
    response: dict[str, Any] = {"uid": asked["uid"], "allowed": True}
    if request.path == "/change":
        patch = base64.b64encode(json.dumps(PATCH).encode()).decode()
        response |= {"patchType": "JSONPatch", "patch": patch, "warnings": ["a key was added"]}
    elif "bad" in asked["object"]["data"]:
        status = {"message": "the key bad is not wanted", "code": 403}
        response |= {"allowed": False, "status": status}
    return web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})


@pytest.fixture
async def port(served: Any, tmp_path: Path) -> AsyncIterator[int]:
    """The port of the webhook server."""
    pair = served.pki.issue_server(["127.0.0.1"])
    (tmp_path / "hook.pem").write_bytes(pair.certificate + pair.key)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "hook.pem")
    app = web.Application()
    app.router.add_post("/{path}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening, ssl_context=tls).start()
    yield listening.getsockname()[1]
    await runner.cleanup()


async def test_objects_are_changed_and_refused(kubectl: Kubectl, served: Any, port: int) -> None:
    authority = base64.b64encode(served.pki.ca_pem).decode()
    for kind, path in (("Mutating", "change"), ("Validating", "judge")):
        manifest = CONFIGURATION.format(kind=kind, path=path, port=port, authority=authority)
        made = await kubectl("apply", "-f", "-", stdin=manifest.replace("name: " + kind, "name: " + kind.lower()))
        assert made.code == 0, made.err
    assert (await kubectl("create", "namespace", "n")).code == 0
    assert (await kubectl("label", "namespace", "n", "guarded=yes")).code == 0

    made = await kubectl("create", "configmap", "m", "-n", "n", "--from-literal=a=b")
    assert (made.code, made.out) == (0, "configmap/m created\n"), made.err
    assert "Warning: a key was added" in made.err
    assert (
        await kubectl("get", "cm", "m", "-n", "n", "-o", "jsonpath={.data}")
    ).out == '{"a":"b","added":"by-webhook"}'

    refused = await kubectl("create", "configmap", "x", "-n", "n", "--from-literal=bad=1")
    assert refused.code == 1
    assert 'admission webhook "judge.example.com" denied the request: the key bad is not wanted' in refused.err
    tried = await kubectl("create", "configmap", "d", "-n", "n", "--from-literal=a=b", "--dry-run=server", "-o", "json")
    assert json.loads(tried.out)["data"] == {"a": "b", "added": "by-webhook"}
    assert (await kubectl("create", "configmap", "x", "--from-literal=bad=1")).code == 0, "not in this namespace"

    listed = await kubectl("get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "--no-headers")
    assert [line.split()[1] for line in listed.out.splitlines() if line] == ["1", "1"]
    assert (await kubectl("delete", "validatingwebhookconfiguration", "validating")).code == 0
    assert (await kubectl("create", "configmap", "x", "-n", "n", "--from-literal=bad=1")).code == 0
