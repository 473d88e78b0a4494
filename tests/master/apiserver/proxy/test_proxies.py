"""Requests through pods/proxy, services/proxy and nodes/proxy."""

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from yarl import URL

from timonel.api.types import core_v1, discovery_v1, rbac_v1

PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"
UNREACHABLE = "error trying to reach service"
Make = Callable[..., Awaitable[None]]


@pytest.fixture
async def service(echo: Any, make: Make) -> None:
    """The service `web` before the pod: its port 80 is named `http`."""
    port = {"name": "http", "port": 80, "targetPort": "main"}
    meta = {"name": "web", "namespace": "default"}
    await make(core_v1.Service, {"metadata": meta, "spec": {"selector": {"app": "web"}, "ports": [port]}})
    pod = {"kind": "Pod", "name": "web", "namespace": "default"}
    labels = {"kubernetes.io/service-name": "web"}
    address = {"addresses": ["10.244.1.7"], "conditions": {"ready": True}}
    await make(
        discovery_v1.EndpointSlice,
        {
            "metadata": {"name": "web-1", "namespace": "default", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": echo.port}, {"name": "foreign", "port": 1}],
            "endpoints": [{**address, "targetRef": pod}],
        },
    )
    await make(
        discovery_v1.EndpointSlice,
        {
            "metadata": {"name": "web-2", "namespace": "default", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "nobodys", "port": echo.port}],
            "endpoints": [
                {**address, "addresses": ["192.0.2.9"]},
                {**address, "addresses": ["192.0.2.9"], "targetRef": pod},
            ],
        },
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_each_method_arrives(http: aiohttp.ClientSession, served: Any, echo: Any, method: str) -> None:
    body = b"data" if method in ("POST", "PUT", "PATCH") else None
    url = URL(f"{served.url}{PODS}/web/proxy/some//path/?q=%2F&r", encoded=True)
    async with http.request(method, url, data=body) as answer:
        told = await answer.json()
    assert answer.status == 200
    assert (told["method"], told["target"]) == (method, "/some//path/?q=%2F&r")
    assert told["body"] == ("data" if body else "")
    assert told["headers"]["x-forwarded-uri"] == f"{PODS}/web/proxy/some//path/"
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"


async def test_head(http: aiohttp.ClientSession, echo: Any) -> None:
    async with http.head(f"{PODS}/web/proxy/x") as answer:
        assert (answer.status, answer.headers["X-Method"]) == (200, "HEAD")


async def test_credentials_stay_here(http: aiohttp.ClientSession, echo: Any) -> None:
    headers = {"Authorization": "Basic x", "X-Remote-User": "root", "X-Own": "1", "Impersonate-User": "admin"}
    headers["Impersonate-Group"] = "system:masters"
    async with http.get(f"{PODS}/web/proxy/", headers=headers) as answer:
        told = (await answer.json())["headers"]
    assert told["x-own"] == "1"
    assert not {"authorization", "x-remote-user", "impersonate-user", "impersonate-group"} & set(told)


@pytest.mark.parametrize("name", ["web", "web:main", "http:web:main", ":web:"])
async def test_forms_of_a_pods_name(http: aiohttp.ClientSession, echo: Any, name: str) -> None:
    async with http.get(f"{PODS}/{name}/proxy/") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        (f"{PODS}/none/proxy/", 404, 'pods "none" not found'),
        (f"{PODS}/ftp:web:80/proxy/", 400, 'invalid pod request "ftp:web:80"'),
        (f"{PODS}/web:nope/proxy/", 400, 'pod "web" has no port "nope"'),
        (
            f"{PODS}/web:1/proxy/",
            503,
            "error trying to reach service: dial tcp 10.244.1.7:1: connect: connection refused",
        ),
        (f"{PODS}/https:web:main/proxy/", 503, f"{UNREACHABLE}: tls: "),
        (f"{PODS}/web/proxy/?dryRun=All", 400, "dryRun is not supported"),
        (f"{SERVICES}/none/proxy/", 404, 'services "none" not found'),
        (f"{SERVICES}/none:80/proxy/", 404, 'services "none" not found'),
        (f"{SERVICES}/a:b:c:d/proxy/", 400, 'invalid service request "a:b:c:d"'),
        (f"{SERVICES}/web:82/proxy/", 503, 'no service port 82 found for service "web"'),
        (f"{SERVICES}/web/proxy/", 503, 'no endpoints available for service "web"'),
        (f"{SERVICES}/web:nobodys/proxy/", 503, 'no endpoints available for service "web:nobodys"'),
        ("/api/v1/nodes/none/proxy/healthz", 404, 'nodes "none" not found'),
    ],
)
async def test_refusals(http: aiohttp.ClientSession, service: None, path: str, code: int, message: str) -> None:
    async with http.get(path) as answer:
        status = await answer.json()
    assert (answer.status, status["code"]) == (code, code)
    assert status["message"].startswith(message)


@pytest.mark.parametrize("name", ["web:80", "web:http", "http:web:http"])
async def test_a_service(http: aiohttp.ClientSession, service: None, name: str) -> None:
    async with http.get(f"{SERVICES}/{name}/proxy/hello") as answer:
        assert (await answer.json())["target"] == "/hello"


async def test_a_slash_is_added_when_reading_only(http: aiohttp.ClientSession, service: None) -> None:
    base = f"{SERVICES}/web:80/proxy"
    async with http.get(f"{base}?a=b", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (301, f"{base}/?a=b")
    async with http.put(base, data=b"x") as answer:
        assert (await answer.json())["target"] == "/"


async def test_urls_in_answers_lead_through_the_proxy(http: aiohttp.ClientSession, service: None) -> None:
    base = f"{SERVICES}/web:80/proxy"
    async with http.get(f"{base}/redirect?to=/other/", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, f"{base}/other/")
    for name in ("page", "chunked"):
        async with http.get(f"{base}/{name}") as answer:
            page = await answer.text()
        assert f'<a href="{base}/abs">' in page
        assert f'<img alt="/x" src="{base}/i.png?a=1&amp;b=2">' in page
        assert '<a href="http://other/z">' in page
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_what_streams_comes_as_it_is_sent(
    http: aiohttp.ClientSession, echo: Any, served: Any, eventually: Any
) -> None:
    async with http.get(f"{PODS}/web/proxy/stream") as answer:
        assert await answer.content.readline() == b"first\n"
    await eventually(lambda: served.nodes.streams[-1].closed)


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(http: aiohttp.ClientSession, echo: Any) -> None:
    with pytest.raises(aiohttp.ClientError):
        async with http.get(f"{PODS}/web/proxy/broken") as answer:
            await answer.read()


async def test_websockets_pass_through(http: aiohttp.ClientSession, echo: Any) -> None:
    async with http.ws_connect(f"{PODS}/web/proxy/socket", protocols=("echo",)) as socket:
        assert socket.protocol == "echo"
        for text in ("one", "x" * 300_000):
            await socket.send_str(text)
            message = await socket.receive(timeout=10)
            assert (message.type, message.data) == (WSMsgType.TEXT, f"heard {text}")


async def test_a_refused_upgrade_is_answered(http: aiohttp.ClientSession, echo: Any) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await http.ws_connect(f"{PODS}/web/proxy/refused")
    assert refusal.value.status == 418


async def test_who_may(served: Any, echo: Any) -> None:
    certificate = served.pki.issue_client("nobody")
    tls = ssl.create_default_context(cadata=served.pki.ca_pem.decode())
    path = served.kubeconfig.parent / "nobody.pem"
    path.write_bytes(certificate.certificate + certificate.key)
    tls.load_cert_chain(path)
    connector = aiohttp.TCPConnector(ssl=tls)
    async with (
        aiohttp.ClientSession(served.url, connector=connector) as session,
        session.post(f"{PODS}/web/proxy/x") as answer,
    ):
        assert answer.status == 403
        message = (await answer.json())["message"]
    assert message.startswith('pods "web" is forbidden: User "nobody" cannot create resource "pods/proxy"')


# Nodes


@pytest.fixture
async def node(echo: Any, make: Make, served: Any) -> None:
    """The node n1, which was heard of."""
    condition = {"type": "Ready", "status": "True"}
    obj = {"metadata": {"name": "n1"}, "status": {"conditions": [condition]}}
    await make(core_v1.Node, obj)


async def _node(http: aiohttp.ClientSession, path: str) -> aiohttp.ClientResponse:
    answer = await http.get(f"/api/v1/nodes/n1/proxy{path}")
    await answer.read()
    return answer


async def test_what_a_node_serves(http: aiohttp.ClientSession, node: None) -> None:
    assert await (await _node(http, "/healthz")).text() == "ok"
    pods = await (await _node(http, "/pods")).json()
    assert [pod["metadata"]["name"] for pod in pods["items"]] == ["web"]
    assert (await (await _node(http, "/stats/summary")).json())["node"]["nodeName"] == "n1"
    assert (await (await _node(http, "/configz")).json())["kubeletconfig"]["kind"] == "KubeletConfiguration"
    assert "kubelet_running_pods 1" in await (await _node(http, "/metrics")).text()
    for path in ("/metrics/resource", "/metrics/cadvisor"):
        assert (await _node(http, path)).content_type == "text/plain"
    unknown = await _node(http, "/debug/pprof")
    assert unknown.status == 404
    assert (await unknown.json())["message"].startswith("nodes have nothing at /debug/pprof; they serve ")


async def test_the_finer_permissions_of_nodes(served: Any, node: None, make: Make) -> None:
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes/stats"]}
    await make(rbac_v1.ClusterRole, {"metadata": {"name": "stats"}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "stats"}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader"}
    binding = {"metadata": {"name": "stats"}, "roleRef": reference, "subjects": [subject]}
    await make(rbac_v1.ClusterRoleBinding, binding)
    connector = aiohttp.TCPConnector(ssl=served.access().tls())
    headers = {"Impersonate-User": "reader"}
    async with aiohttp.ClientSession(served.url, connector=connector, headers=headers) as session:
        async with session.get("/api/v1/nodes/n1/proxy/stats/summary") as answer:
            assert answer.status == 200
        async with session.get("/api/v1/nodes/n1/proxy/pods") as answer:
            assert answer.status == 403


async def test_discovery_tells_of_proxies(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/v1") as answer:
        found = {entry["name"]: entry for entry in (await answer.json())["resources"]}
    for kind in ("Node", "Pod", "Service"):
        entry = found[f"{kind.lower()}s/proxy"]
        assert entry["kind"] == f"{kind}ProxyOptions"
        assert entry["verbs"] == ["create", "delete", "get", "patch", "update"]
