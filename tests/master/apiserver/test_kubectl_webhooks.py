"""Admission webhooks as kubectl meets them: one server that changes and judges ConfigMaps."""

import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from master.apiserver.audit.log import AuditSettings
from master.apiserver.audit.record import Auditor
from master.apiserver.server import ApiServer, server_tls

pytestmark = pytest.mark.kubectl

Kubectl = Callable[..., Awaitable[Any]]

CONFIGURATION = """
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}WebhookConfiguration
metadata: {{name: {path}}}
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
        response["auditAnnotations"] = {"by": "the test"}
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


async def install(kubectl: Kubectl, served: Any, port: int) -> None:
    """Makes the webhooks known, and a namespace in which they count."""
    authority = base64.b64encode(served.pki.ca_pem).decode()
    for kind, path in (("Mutating", "change"), ("Validating", "judge")):
        manifest = CONFIGURATION.format(kind=kind, path=path, port=port, authority=authority)
        made = await kubectl("apply", "-f", "-", stdin=manifest)
        assert made.code == 0, made.err
    assert (await kubectl("create", "namespace", "n")).code == 0
    assert (await kubectl("label", "namespace", "n", "guarded=yes")).code == 0


async def test_objects_are_changed_and_refused(kubectl: Kubectl, served: Any, port: int) -> None:
    await install(kubectl, served, port)

    made = await kubectl("create", "configmap", "m", "-n", "n", "--from-literal=a=b")
    assert (made.code, made.out) == (0, "configmap/m created\n"), made.err
    assert "Warning: a key was added" in made.err
    found = await kubectl("get", "cm", "m", "-n", "n", "-o", "jsonpath={.data}")
    assert json.loads(found.out) == {"a": "b", "added": "by-webhook"}

    refused = await kubectl("create", "configmap", "x", "-n", "n", "--from-literal=bad=1")
    assert refused.code == 1
    assert 'admission webhook "judge.example.com" denied the request: the key bad is not wanted' in refused.err
    tried = await kubectl("create", "configmap", "d", "-n", "n", "--from-literal=a=b", "--dry-run=server", "-o", "json")
    assert json.loads(tried.out)["data"] == {"a": "b", "added": "by-webhook"}
    assert (await kubectl("create", "configmap", "x", "--from-literal=bad=1")).code == 0, "not in this namespace"

    listed = await kubectl("get", "validatingwebhookconfigurations,mutatingwebhookconfigurations", "--no-headers")
    assert [line.split()[1] for line in listed.out.splitlines() if line] == ["1", "1"]
    assert (await kubectl("delete", "validatingwebhookconfiguration", "judge")).code == 0
    assert (await kubectl("create", "configmap", "x", "-n", "n", "--from-literal=bad=1")).code == 0


async def test_remarks_are_in_the_audit_log(kubectl: Kubectl, served: Any, port: int, tmp_path: Path) -> None:
    await install(kubectl, served, port)
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
    pair = served.pki.issue_server(["127.0.0.1"])
    tls = server_tls(pair.certificate, pair.key, served.pki.ca_pem)
    auditor = Auditor.open(AuditSettings(policy, log))
    api = ApiServer(served.registry, tls, auditor=auditor, host="127.0.0.1", port=0)
    await api.start()
    connector = aiohttp.TCPConnector(ssl=served.access().tls())
    async with aiohttp.ClientSession(f"https://127.0.0.1:{api.port}", connector=connector) as http:
        for namespace in ("n", "default"):
            path = f"/api/v1/namespaces/{namespace}/configmaps"
            async with http.post(path, json={"metadata": {"name": "m"}, "data": {"a": "b"}}) as done:
                assert done.status == 201
    await api.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    noted, plain = (line["annotations"] for line in lines if line["stage"] == "ResponseComplete")
    allowed = {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""}
    assert noted == {"change.example.com/by": "the test", **allowed}
    assert plain == allowed, "the connection is the same, the request another"
