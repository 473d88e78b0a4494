"""The audit log: what the policy chooses, what is written down of it, and how the file is kept small."""

import json
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from master.apiserver.audit.log import AuditFile, AuditSettings
from master.apiserver.audit.policy import (
    GroupResources,
    Level,
    Policy,
    PolicyError,
    Rule,
    Stage,
    Subject,
    load,
)
from master.apiserver.audit.record import AUDIT_ID, Auditor
from master.apiserver.audit.webhook import AuditWebhook
from master.apiserver.server import ApiServer, server_tls
from master.registry.base import User
from master.registry.verbs import Registry
from timonel import kubeconfig as access

JANE = User("jane", groups=("devs",))
PODS = Subject(JANE, "get", "/api/v1/namespaces/d/pods/x/log", True, "", "pods", "log", "d", "x")
HEALTH = Subject(JANE, "get", "/healthz/ping")


@pytest.mark.parametrize(
    ("rule", "subject", "matches"),
    [
        (Rule("Metadata"), PODS, True),
        (Rule("Metadata"), HEALTH, True),
        (Rule("Metadata", users=["jane"]), PODS, True),
        (Rule("Metadata", users=["joe"]), PODS, False),
        (Rule("Metadata", userGroups=["devs"]), PODS, True),
        (Rule("Metadata", userGroups=["ops"]), PODS, False),
        (Rule("Metadata", verbs=["get", "list"]), PODS, True),
        (Rule("Metadata", verbs=["list"]), PODS, False),
        (Rule("Metadata", namespaces=["d"]), PODS, True),
        (Rule("Metadata", namespaces=[""]), PODS, False),
        (Rule("Metadata", namespaces=["d"]), HEALTH, False),
        (Rule("Metadata", nonResourceURLs=["/healthz*"]), HEALTH, True),
        (Rule("Metadata", nonResourceURLs=["/healthz"]), HEALTH, False),
        (Rule("Metadata", nonResourceURLs=["*"]), PODS, False),
        *(
            (Rule("Metadata", resources=[GroupResources(**chosen)]), PODS, matches)
            for chosen, matches in (
                ({}, True),
                ({"group": "apps"}, False),
                ({"resources": ["pods/log"]}, True),
                ({"resources": ["pods"]}, False),
                ({"resources": ["pods/*"]}, True),
                ({"resources": ["*/log"]}, True),
                ({"resources": ["*"]}, True),
                ({"resources": ["pods/log"], "resourceNames": ["x"]}, True),
                ({"resources": ["pods/log"], "resourceNames": ["y"]}, False),
            )
        ),
    ],
)
def test_rules(rule: Rule, subject: Subject, matches: bool) -> None:
    assert (Policy([rule]).judge(subject).level is Level.METADATA) == matches


def test_the_first_rule_decides() -> None:
    policy = Policy([Rule("None", users=["jane"]), Rule("Request")], [Stage.REQUEST_RECEIVED])
    assert policy.judge(PODS).level is Level.NONE
    other = policy.judge(Subject(User("joe"), "get", "/"))
    assert (other.level, other.omitted) == (Level.REQUEST, {Stage.REQUEST_RECEIVED})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Everything}]",
            r"rules\[0\].level is 'Everything'",
        ),
        ("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []", "it has no rules"),
        ("apiVersion: v1\nkind: Policy\nrules: [{level: None}]", "it must be a Policy of audit.k8s.io/v1"),
        ("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, user: x}]", "unknown field `user`"),
        (
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None, namespaces: [a], nonResourceURLs: [/]}]",
            "both resources and nonResourceURLs",
        ),
        ("rules: [", "audit policy"),
    ],
)
def test_policies_that_cannot_be_used(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=why):
        load(path)


async def test_a_full_file_makes_room(tmp_path: Path) -> None:
    path = tmp_path / "log" / "audit.log"
    file = AuditFile(path, max_bytes=20, backups=2)
    for number in range(7):
        file.write(b"line number %d" % number)
    await file.close()
    kept = {each.name: each.read_text() for each in path.parent.iterdir()}
    assert kept == {"audit.log": "line number 6\n", "audit.log.1": "line number 5\n", "audit.log.2": "line number 4\n"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = AuditFile(path, max_bytes=40, backups=2)
    again.write(b"another")
    await again.close()
    assert path.read_text() == "line number 6\nanother\n"


POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
  - {level: None, nonResourceURLs: ["/livez*"]}
  - {level: RequestResponse, omitStages: [RequestReceived], resources: [{resources: [configmaps]}]}
  - {level: Request, resources: [{resources: [serviceaccounts]}]}
  - {level: Metadata}
"""


@pytest.fixture
async def audited(served: Any, tmp_path: Path) -> Any:
    """A second server before the same registry, with an audit log; gives a session, a log reader, the port."""
    policy, path = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text(POLICY)
    pair = served.pki.issue_server(["127.0.0.1"])
    tls = server_tls(pair.certificate, pair.key, served.pki.ca_pem)
    auditor = Auditor.open(AuditSettings(policy, path))
    api = ApiServer(served.registry, tls, auditor=auditor, host="127.0.0.1", port=0)
    await api.start()
    connector = aiohttp.TCPConnector(ssl=served.access().tls())
    async with aiohttp.ClientSession(f"https://127.0.0.1:{api.port}", connector=connector) as session:
        yield session, lambda: [json.loads(line) for line in path.read_text().splitlines()], api.port
    await api.close()


async def test_requests_are_written_down(audited: Any) -> None:
    http, lines, _ = audited
    body = {"metadata": {"name": "c"}, "data": {"a": "b"}}
    async with http.post("/api/v1/namespaces/default/configmaps?dryRun=All", json=body) as answer:
        audit_id = answer.headers[AUDIT_ID]
    (line,) = lines()
    assert (line["kind"], line["apiVersion"], line["level"]) == ("Event", "audit.k8s.io/v1", "RequestResponse")
    assert (line["stage"], line["verb"], line["auditID"]) == ("ResponseComplete", "create", audit_id)
    assert line["requestURI"] == "/api/v1/namespaces/default/configmaps?dryRun=All"
    assert line["user"]["username"] == "kubernetes-admin"
    about = {"resource": "configmaps", "namespace": "default", "apiVersion": "v1", "name": "c"}
    assert line["objectRef"] == about, "the name is the object's, as the path has none"
    assert line["responseStatus"]["code"] == 201
    assert line["requestObject"] == body
    assert line["responseObject"]["data"] == {"a": "b"}
    assert "managedFields" not in line["responseObject"]["metadata"]
    assert line["sourceIPs"] == ["127.0.0.1"]
    assert line["requestReceivedTimestamp"] <= line["stageTimestamp"]


async def test_refusals_and_impersonation_are_written_down(audited: Any) -> None:
    http, lines, _ = audited
    async with http.get("/api/v1/pods", headers={"Impersonate-User": "jane"}) as answer:
        assert answer.status == 403
    received, complete = lines()
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert complete["level"] == "Metadata"
    assert complete["impersonatedUser"] == {"username": "jane", "groups": ["system:authenticated"]}
    assert complete["responseStatus"]["reason"] == "Forbidden"
    assert complete["responseStatus"]["details"] == {"kind": "pods"}
    reason = "authorization.k8s.io/reason"
    assert complete["annotations"] == {"authorization.k8s.io/decision": "forbid", reason: ""}
    assert "annotations" not in received
    assert "requestObject" not in complete


async def test_who_is_unknown_is_written_down(audited: Any, served: Any) -> None:
    _, lines, port = audited
    connector = aiohttp.TCPConnector(ssl=access.Access(served.url, served.pki.ca_pem).tls())
    async with (
        aiohttp.ClientSession(connector=connector) as stranger,
        stranger.get(f"https://127.0.0.1:{port}/api/v1/pods", headers={"Authorization": "Bearer x"}) as answer,
    ):
        assert answer.status == 401
    assert [(line["user"]["username"], line["stage"]) for line in lines()] == [
        ("", "RequestReceived"),
        ("", "ResponseComplete"),
    ]


async def test_a_failure_of_the_server_is_written_down(audited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    http, lines, _ = audited

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Registry, "get", fail)
    async with http.get("/api/v1/namespaces/default/secrets/x") as answer:
        assert answer.status == 500
        message = (await answer.json())["message"]
    assert [line["stage"] for line in lines()] == ["RequestReceived", "Panic"]
    assert lines()[-1]["responseStatus"]["message"] in message


async def test_a_webhook_gets_events_in_batches(eventually: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.apiserver.audit.webhook.FIRST_PAUSE", 0.01)
    got: list[dict[str, Any]] = []

    async def take(http: web.BaseRequest) -> web.Response:
        got.append(await http.json())
        return web.Response(status=500 if len(got) == 1 else 200)

    async with RawTestServer(take) as server:
        webhook = AuditWebhook(access.Access(str(server.make_url("/events"))), wait=0.05)
        await webhook.start()
        webhook.write(b'{"auditID":"1"}')
        webhook.write(b'{"auditID":"2"}')
        await eventually(lambda: len(got) == 2)
        webhook.write(b'{"auditID":"3"}')
        await webhook.close()
    assert [[item["auditID"] for item in events["items"]] for events in got] == [["1", "2"], ["1", "2"], ["3"]]
    assert {events["kind"] for events in got} == {"EventList"}


async def test_what_the_policy_passes_over_is_not(audited: Any) -> None:
    http, lines, _ = audited
    async with http.get("/livez") as answer:
        assert answer.status == 200
        assert AUDIT_ID not in answer.headers
    assert lines() == []


async def test_watches_have_a_stage_of_their_own(audited: Any, eventually: Any) -> None:
    http, lines, _ = audited
    async with http.get("/api/v1/namespaces?watch=true") as answer:
        await answer.content.readline()
        assert [line["stage"] for line in lines()] == ["RequestReceived", "ResponseStarted"]
        assert lines()[-1]["verb"] == "watch"
    await eventually(lambda: lines()[-1]["stage"] == "ResponseComplete")
    assert len(lines()) == 3
