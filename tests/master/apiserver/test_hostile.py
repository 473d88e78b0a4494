"""Bad input of every sort, over sockets: a client's fault, told in bounded time and memory; the server goes on."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import resource
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from master.apiserver import bodies, connections

MAPS = "/api/v1/namespaces/default/configmaps"
BASE = f"{MAPS}/base"
PODS = "/api/v1/namespaces/default/pods"
SERVICE = "/api/v1/namespaces/default/services/base?dryRun=All&fieldManager=m"
JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC_PATCH, APPLY_PATCH = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
SECONDS = 15.0
"""For one request, on a machine that does much else."""
MEGABYTES = 500
"""By how much the largest memory of the process may grow while all of this is thrown at it."""


@dataclass
class Case:
    """A request, and the code that it gets."""

    name: str
    code: int
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


CASES: list[Case] = []


def add(
    name: str, code: int, method: str, path: str, body: bytes | str | None = None, media: str = "", **more: str
) -> None:
    headers = {"Content-Type": media} if media else {}
    headers |= {key.replace("_", "-"): value for key, value in more.items()}
    CASES.append(Case(name, code, method, path, body.encode() if isinstance(body, str) else body, headers))


def post(name: str, code: int, body: bytes | str, path: str = MAPS, media: str = JSON, **headers: str) -> None:
    add(f"post {name}", code, "POST", path, body, media, **headers)


def get(name: str, code: int, path: str, **headers: str) -> None:
    add(f"get {name}", code, "GET", path, None, **headers)


def config_map(name: str, metadata: dict[str, Any] | None = None, **members: Any) -> bytes:
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name} | (metadata or {})}
    return json.dumps(document | members).encode()


def token(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


WRAPPED = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"deep"},"x":%b}'
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

# Bodies: nesting, encodings, numbers

post("nested 150", 201, WRAPPED % (b"[" * 150 + b"]" * 150))
post("nested 5,000", 400, WRAPPED % (b"[" * 5000 + b"]" * 5000))
post("nested 1,000,000", 400, b"[" * 1_000_000)
post("nested objects", 400, b'{"a":' * 500_000)
for text in ("", "  ", "null", "5", "[]", '"x"', "true", config_map("half")[:-5].decode()):
    post(f"no object: {text[:20]}", 400, text)
post("an empty object", 422, "{}")
post("a byte order mark", 400, b"\xef\xbb\xbf" + config_map("bom"))
for name, tail in (("NUL", b"\0"), ("text", b"xyz"), ("an object", b"{}")):
    post(f"garbage behind: {name}", 400, config_map("tail") + tail)
for bad in (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\\ud800", b"\0", b"\n", b"\\x41"):
    post(f"in a string: {bad!r}", 400, config_map("text", data={"a": "X"}).replace(b"X", bad))
    post(f"in a key: {bad!r}", 400, config_map("key", data={"X": "a"}).replace(b"X", bad))
TWICE = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice"},"data":{"a":"1","\\u0061":"2"}}'
post("a key twice, strict", 400, TWICE, f"{MAPS}?fieldValidation=Strict")
post("a key twice, warn", 201, TWICE)
post("unknown field validation", 422, TWICE, f"{MAPS}?fieldValidation=Foo")
POD = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"n"},"spec":{"terminationGracePeriodSeconds":%s,%s}}'
for number in ("NaN", "Infinity", "1e400", str(2**70), str(2**63), "1.5", '"5"', "1" * 5000, "0x10", "010", "+1", "[]"):
    post(f"the number {number[:30]}", 400, POD % (number, '"containers":[{"name":"c","image":"i"}]'), PODS)
QUOTA = '{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"spec":{"hard":{"pods":%s}}}'
for amount in ("1e400", "NaN", "9" * 6000, '"NaN"', '"1e' + "9" * 5000 + '"', '"' + "9" * 6000 + '"', "{}"):
    post(f"the quantity {amount[:30]}", 400, QUOTA % amount, "/api/v1/namespaces/default/resourcequotas")

# Bodies: kinds, metadata, sizes

for kind in ('"kind":"Secret"', '"kind":[]', '"kind":5', '"kind":"ConfigMapList"', '"kind":"List"'):
    post(f"wrong kind: {kind}", 400, f'{{"apiVersion":"v1",{kind},"metadata":{{"name":"x"}}}}')
for version in ('"v9"', '"a/b/c"', "1", "{}"):
    post(f"wrong version: {version}", 400, f'{{"apiVersion":{version},"kind":"ConfigMap","metadata":{{"name":"x"}}}}')
for metadata in ("[]", '"x"', "5", '{"name":"x","labels":["a"]}', '{"name":"x","labels":{"a":1}}', '{"name":{}}'):
    post(f"wrong metadata: {metadata}", 400, f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{metadata}}}')
for containers in ('{"a":1}', '["a"]', '[["a"]]', '[{"name":["a"]}]', '[{"ports":[{"containerPort":"x"}]}]'):
    post(f"wrong containers: {containers}", 400, POD % (1, f'"containers":{containers}'), PODS)
for name in ("..", ".", "a/b", "a%2Fb", "A", "-a", "a" * 254, "a" * 5000, "a b", "ä", "", "a\0b", "a\r\nX-Evil: b"):
    post(f"the name {name[:20]!r}", 422, config_map(name))
post("finalizers", 422, config_map("x", {"finalizers": ["x", "a b"]}))
post(
    "an owner", 422, config_map("x", {"ownerReferences": [{"apiVersion": "a/b/c", "kind": "", "name": "", "uid": ""}]})
)
post("a time", 400, config_map("x", {"creationTimestamp": "yesterday"}))
post("a day that is not", 400, config_map("x", {"creationTimestamp": "2026-02-30T00:00:00Z"}))
MANY = {f"k{number}": "v" for number in range(10_000)}
post("10,000 labels", 201, config_map("labels", {"labels": MANY}))
post("10,000 annotations", 201, config_map("annotations", {"annotations": MANY}))
post("10,000 keys of data", 201, config_map("data", data=MANY))
post("10,000 bad labels", 422, config_map("bad", {"labels": {f"k {number}": "v v" for number in range(10_000)}}))
post("30,000 finalizers", 201, config_map("finalizers", {"finalizers": [f"a/k{number}" for number in range(30_000)]}))
post("10,000 unknown fields", 400, config_map("unknown", **MANY), f"{MAPS}?fieldValidation=Strict")
post("annotations of 256 KiB", 201, config_map("a256", {"annotations": {"a": "x" * (256 * 1024 - 1)}}))
post("annotations above 256 KiB", 422, config_map("a257", {"annotations": {"a": "x" * 256 * 1024}}))
post("data of 1 MiB", 201, config_map("d1", data={"a": "x" * 1024 * 1024}))
post("data above 1 MiB", 422, config_map("d2", data={"a": "x" * 1024 * 1024, "b": "x"}))
post("a body above 3 MiB", 413, config_map("b3", data={"a": "x" * 3 * 1024 * 1024}))
FORGED = {"k:no json": {}, "f:data": {"v:{": {}, "k:[]": {}}}
ENTRY = {"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": FORGED}
post("forged managed fields", 201, config_map("forged", {"managedFields": [ENTRY]}, data={"a": "b"}))

CONTAINERS = '"containers":[{"name":"c","image":"i"}]'
SPREAD = ",".join(f'{{"maxSkew":0,"topologyKey":"k{n}","whenUnsatisfiable":"DoNotSchedule"}}' for n in range(20_000))
post("20,000 constraints", 422, POD % (1, f'{CONTAINERS},"topologySpreadConstraints":[{SPREAD}]'), PODS)
SECRETS = ",".join(f'{{"name":"s{number}"}}' for number in range(100_000))
post("more than can be stored", 413, POD % (1, f'{CONTAINERS},"imagePullSecrets":[{SECRETS}]'), PODS)

# YAML, protobuf, media types

post("a YAML bomb", 400, BOMB, media=YAML)
post("YAML that holds itself", 400, "a: &a\n  b: *a\n", media=YAML)
post("YAML brackets", 400, "[" * 3_000_000, media=YAML)
post("YAML dashes", 400, "- " * 1_000_000, media=YAML)
post("YAML in blocks", 400, "".join(" " * depth + "a:\n" for depth in range(1500)), media=YAML)
post("YAML of a million values", 400, "[" + "x," * 1_000_000 + "]", media=YAML)
post("YAML of many documents", 400, "--- a\n" * 100_000, media=YAML)
for text in (
    "a: *b",
    "\ta: b",
    "a: !!python/object/apply:os.system ['true']",
    "? {a: b} : c",
    "a: b\n---\na: c",
    "a: 1e999",
):
    post(f"YAML {text[:30]!r}", 400, text, media=YAML)
for raw in (b"a: \xff", b"a: \0", "a: b".encode("utf-16")):
    post(f"YAML {raw[:30]!r}", 400, raw, media=YAML)
for raw in (b"", b"garbage", b"k8s\0", b"k8s\0" + b"\xff" * 12, b"k8s\0\x0a\xff\xff\xff\xff\x07"):
    post(f"protobuf {raw!r}", 400, raw, media=PROTOBUF)
post("a type that is none", 415, "{}", media="/;/;;;")
post("gzip", 415, gzip.compress(config_map("gzip")), Content_Encoding="gzip")
post("a gzip bomb", 415, gzip.compress(b" " * 20_000_000), Content_Encoding="gzip")

# Patches

for media in (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH):
    at = f"{BASE}?fieldManager=m" if media == APPLY_PATCH else BASE
    bad_patches: list[bytes | str] = [
        "",
        "5",
        '"x"',
        "[5]",
        "{{{",
        "[" * 20_000,
        '{"data":' + '{"a":' * 5000 + "1" + "}" * 5001,
    ]
    bad_patches += [b'{"data":{"a":"\xff"}}', b"{}\0"]
    for patch in bad_patches:
        add(f"{media} {patch[:30]!r}", 400, "PATCH", at, patch, media)
for media in (MERGE_PATCH, STRATEGIC_PATCH):
    for patch in ('{"metadata":"x"}', '{"data":[1]}', '{"data":{"a":1}}'):
        add(f"{media} {patch}", 422, "PATCH", BASE, patch, media)
for operations, code in (
    ([{"op": "foo", "path": "/a"}], 422),
    (None, 200),
    ([{"op": "add", "path": 5, "value": 1}], 400),
    ([{"op": "add", "path": "a", "value": 1}], 422),
    ([{"op": "remove", "path": "/x"}], 422),
    ([{"op": "remove", "path": ""}], 422),
    ([{"op": "test", "path": "/data/a", "value": "other"}], 422),
    ([{"op": "test", "path": "/x/y", "value": 1}], 422),
    ([{"op": "add", "path": "/metadata/finalizers/99", "value": "a/b"}], 422),
    ([{"op": "add", "path": f"/metadata/finalizers/{'9' * 5000}", "value": "a/b"}], 422),
    ([{"op": "add", "path": "/metadata/finalizers/x", "value": "a/b"}], 422),
    ([{"op": "move", "from": "/metadata", "path": "/metadata/x"}], 422),
    ([{"op": "copy", "from": "/data", "path": f"/data/x{number}"} for number in range(60)], 422),
    ([{"op": "test", "path": "/data/a", "value": "1"}] * 10_001, 413),
    ([{"op": "test", "path": "/data/a", "value": "1"}] * 10_000, 200),
    ([{"op": "add", "path": "/a" * 100_000, "value": 1}], 422),
    (
        [{"op": "add", "path": "/x", "value": {}}]
        + [{"op": "add", "path": "/x" * n, "value": {}} for n in range(2, 400)],
        422,
    ),
    (
        [
            {"op": "add", "path": "/metadata/annotations", "value": {"x/y": "z"}},
            {"op": "test", "path": "/metadata/annotations/x~1y", "value": "z"},
        ],
        200,
    ),
):
    add(f"json patch {json.dumps(operations)[:60]}", code, "PATCH", BASE, json.dumps(operations), JSON_PATCH)
for spec in ('{"ports":null}', '{"ports":[]}', '{"ports":[{"port":null}]}', '{"type":null,"ports":[{"port":0}]}'):
    add(f"a Service without what it needs: {spec}", 422, "PATCH", SERVICE, f'{{"spec":{spec}}}', MERGE_PATCH)
APPLIED = '{"apiVersion":"v1","kind":"Service","metadata":{"name":"base"},"spec":{"ports":%s}}'
for ports in ('["x"]', '{"a":1}', '[{"port":{}}]', '"x"', "[[]]"):
    add(f"applied ports {ports}", 400, "PATCH", SERVICE, APPLIED % ports, APPLY_PATCH)
add("apply without a manager", 422, "PATCH", BASE, config_map("base"), APPLY_PATCH)
add("apply of a bomb", 400, "PATCH", f"{BASE}?fieldManager=m", BOMB, APPLY_PATCH)
add("apply by a long name", 422, "PATCH", f"{BASE}?fieldManager={'m' * 200}", config_map("base"), APPLY_PATCH)
add("apply by NUL", 422, "PATCH", f"{BASE}?fieldManager=%00", config_map("base"), APPLY_PATCH)
add("a patch of no type", 415, "PATCH", BASE, "{}", "foo/bar")

# Queries

for text in (
    "a in",
    "a in (",
    "!!a",
    "a=b=c",
    "=",
    "a,,b",
    "a b",
    "a>x",
    f"a>{'9' * 30}",
    "x" * 300,
    "a/b/c",
    "((((",
    ")",
    "\0",
    "\u2028",
):
    get(f"labels {text[:20]!r}", 400, f"{MAPS}?labelSelector={quote(text)}")
get("3,000 labels", 200, f"{MAPS}?labelSelector={','.join(f'k{n}%3Dv' for n in range(3000))}")
for text in ("metadata.name", "foo=bar", "metadata.name=a%5C", "metadata.name%3Ea", "metadata.name%20in%20(a)"):
    get(f"fields {text}", 400, f"{MAPS}?fieldSelector={text}")
OURS = {"v": "meta.k8s.io/v1", "rv": -1, "start": "default/a"}
for value, code in (
    ("xyz", 400), (token({}), 400), (token([]), 400), (token(b"[" * 5000), 400), (token(b'{"v":"\xff"}'), 400),
    (token(OURS | {"v": "meta.k8s.io/v2"}), 400), (token(OURS | {"rv": 2**70}), 400), (token(OURS | {"rv": "x"}), 400),
    (token(OURS | {"start": "../../secrets/default/a"}), 400), (token(OURS | {"start": ""}), 400),
    (token(OURS | {"start": "/" * 20_000}), 400), (token(OURS), 200),
):  # fmt: skip
    get(f"continue {value[:30]}", code, f"{MAPS}?limit=1&continue={value}")
for text in ("x", "-1", "1.5", "9" * 20, "%00", "1%20", "%C3%A4", "+5"):
    get(f"resourceVersion {text}", 400, f"{MAPS}?resourceVersion={text}")
    get(f"resourceVersion {text} of one", 400, f"{BASE}?resourceVersion={text}")
    get(f"resourceVersion {text} of a watch", 400, f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={text}")
for text in ("x", "1.5", "9" * 20, "%00", "%C3%A4", "1_0"):
    get(f"limit {text}", 400, f"{MAPS}?limit={text}")
    get(f"timeoutSeconds {text}", 400, f"{MAPS}?watch=1&timeoutSeconds={text}")
get("limit -1", 200, f"{MAPS}?limit=-1")
for text in (
    "foo=bar",
    "&&&&",
    "a=%ff",
    "%zz=1",
    "=",
    "pretty=nonsense",
    "&".join(f"a{number}=b" for number in range(5000)),
):
    get(f"query {text[:20]}", 200, f"{MAPS}?{text}")
get("a query of 60 KB", 200, f"{MAPS}?a={'x' * 60_000}")
get("a query of 2 MB", 431, f"{MAPS}?a={'x' * 2_000_000}")
get("a header of 2 MB", 431, MAPS, X_A="x" * 2_000_000)
CASES.append(Case("get 5,000 headers", 400, "GET", MAPS, headers={f"X-{number}": "y" for number in range(5000)}))
get("an Accept of garbage", 406, MAPS, Accept=";;;,,,/;q=x")
get("an Accept of 60 KB", 406, MAPS, Accept=",".join(["a/b;q=0.1"] * 6000))

# Paths, methods, options of deletes, streams

for text in ("a%2Fb", "%00", "%ff", "a" * 5000, "%E2%80%A8", "a%0d%0aX-Evil:%20b"):
    get(f"the name {text[:20]}", 404, f"{MAPS}/{text}")
for text in ("/api/v2", "/apis//v1/x", "/" + "a/" * 5000, "/apis/apps%2Fv1/deployments"):
    get(f"the path {text[:20]}", 404, text)
for text in ("/%", "/api/v1/namespaces/%zz/pods"):
    get(f"the path {text}", 400, text)
for method in ("TRACE", "PURGE", "LOCK"):
    add(f"the method {method}", 405, method, MAPS)
add("the method FOO", 400, "FOO", MAPS)
for text in (
    "{{",
    "[]",
    "5",
    "[" * 100_000,
    config_map("x").decode(),
    '{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":"x"}',
):
    add(f"delete with {text[:30]}", 400, "DELETE", BASE, text, JSON)
for text in ("propagationPolicy=Foo", "dryRun=Foo"):
    add(f"delete with {text}", 422, "DELETE", f"{BASE}?{text}")
get("a WebSocket of a list", 200, MAPS, Connection="Upgrade", Upgrade="websocket")
get("HTTP/2 on the way", 200, MAPS, Connection="Upgrade, HTTP2-Settings", Upgrade="h2c", HTTP2_Settings="AAMAAABk")
get("a WebSocket of no pod", 404, f"{PODS}/none/exec?command=a", Upgrade="websocket")


async def answer(http: aiohttp.ClientSession, case: Case) -> tuple[int, bytes]:
    request = http.request(
        case.method,
        URL(case.path, encoded=True),
        data=case.body,
        headers=case.headers,
        skip_auto_headers=["Content-Type"],
    )
    async with asyncio.timeout(SECONDS), request as response:
        return response.status, await response.read()


async def make_bases(http: aiohttp.ClientSession) -> None:
    """What patches meet; there already is success, unless a case has changed it."""
    service = {"metadata": {"name": "base"}, "spec": {"ports": [{"port": 80}]}}
    for case in (
        Case("", 201, "POST", MAPS, config_map("base", {"finalizers": ["x/y"]}, data={"a": "1"})),
        Case("", 201, "POST", "/api/v1/namespaces/default/services", json.dumps(service).encode()),
    ):
        assert (await answer(http, case))[0] in (201, 409)


async def test_every_case_is_answered_as_it_should_be(http: aiohttp.ClientSession) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await make_bases(http)
    wrong: list[str] = []
    for case in CASES:
        began = time.monotonic()
        code, body = await answer(http, case)
        if code != case.code:
            wrong.append(f"{case.name}: {code} instead of {case.code}: {body[:300]!r}")
        elif code >= 400:
            status = json.loads(body)
            assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code), case.name
            # What server-side apply cannot explain has no reason, as in Kubernetes.
            assert status.get("reason") or "failed to create typed patch object" in status["message"], case.name
            assert b"Traceback" not in body, case.name
        if time.monotonic() - began > SECONDS / 3:
            wrong.append(f"{case.name}: {time.monotonic() - began:.1f} seconds")
    assert not wrong, "\n".join(wrong)
    assert (await answer(http, Case("", 200, "GET", "/readyz")))[0] == 200
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


@pytest.mark.parametrize("bearer", ["a.b.c", "\xe4", "a b", "W10.W10.x", f"{token(b'[' * 3000)}.e30.x", "x" * 60_000])
async def test_bad_credentials(served: Any, bearer: str) -> None:
    said = f"GET {MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {bearer}\r\n\r\n"
    anonymous = ssl.create_default_context(cadata=served.pki.ca_pem.decode())
    assert (await exchange(served, said.encode(), tls=anonymous)).startswith(b"HTTP/1.1 401 ")


async def test_a_body_that_does_not_arrive(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    for length in ("Content-Length: 100", "Transfer-Encoding: chunked"):
        head = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n"
        said = await exchange(served, head.encode() + b"5\r\n{", until=b"did not arrive within 0.2 seconds")
        assert said.startswith(b"HTTP/1.1 400 ")


async def test_a_head_that_does_not_end(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_OPTIONS", {**connections._OPTIONS, "keepalive_timeout": 0.2})
    for said in (b"", b"GET / HTTP/1.1\r\nHost: x\r\nX"):
        assert await exchange(served, said) == b"", "cut off"


@pytest.mark.parametrize(
    "said",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n",
        b"GET /version HTTP/1.1\r\nHost: x\r\n : b\r\n\r\n",
        b"POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\x80\x03\x00\x01\x01\x00\x01\x28" * 100,
        b"GET " + b"x" * 10_000_000,
    ],
)
async def test_what_is_no_http(served: Any, said: bytes) -> None:
    answered = await exchange(served, said)
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"431"), head
    assert json.loads(body)["status"] == "Failure"


async def test_requests_in_a_row(served: Any) -> None:
    row = (
        b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" * 200
        + b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert (await exchange(served, row)).count(b"HTTP/1.1 200 OK") == 201


async def exchange(served: Any, said: bytes, until: bytes = b"", tls: ssl.SSLContext | None = None) -> bytes:
    """What the server answers to these bytes, until it closes the connection or has said `until`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.api.port, ssl=tls or served.access().tls())
    heard = b""
    async with asyncio.timeout(SECONDS):
        writer.write(said)
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                heard += part
                if until and until in heard:
                    break
    writer.close()
    return heard
