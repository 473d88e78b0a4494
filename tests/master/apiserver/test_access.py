"""Who may do what, as kubectl and plain HTTP see it: roles, reviews, impersonation, tokens."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from master import kubeconfig as kubeconfigs
from master.controllers.controller import load
from master.controllers.engine import Engine
from master.registry.authz.base import Attributes, Decision
from master.registry.base import User
from timonel import kubeconfig as access
from timonel.api.types import apps_v1, core_v1, rbac_v1

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
"""
Say = Callable[..., Awaitable[Any]]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that has to be asked for."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110  # what it asks for does not tell of changes
            await asyncio.sleep(0.02)


@pytest.fixture
def may(served: Any) -> Callable[..., bool]:
    """What the server's authorizer says of a user at this moment."""

    def ask(user: User, verb: str, kind: type[Any], namespace: str = "", name: str = "") -> bool:
        resource = served.registry.resources.of(kind)
        asked = Attributes(user, verb, resource, namespace=namespace, name=name)
        return bool(served.registry.core.authorizer.authorize(asked).decision is Decision.ALLOW)

    return ask


@pytest.fixture
async def aggregation(served: Any) -> AsyncIterator[None]:
    """The controller that fills the roles admin, edit and view."""
    chosen = [controller for controller in load() if controller.name == "clusterrole-aggregation"]
    engine = Engine(served.registry, controllers=chosen)
    await engine.start()
    yield
    await engine.close()


@pytest.fixture
def as_user(served: Any, tmp_path: Path, kubectl: Any) -> Callable[..., Say]:
    """kubectl with the certificate of some user."""

    def make(name: str, *groups: str) -> Say:
        pair = served.pki.issue_client(name, groups)
        path = tmp_path / f"{name}.kubeconfig"
        path.write_text(kubeconfigs.to_yaml(kubeconfigs.kubeconfig(served.url, served.pki.ca_pem, pair, user=name)))

        async def run(*arguments: str, stdin: str = "") -> Any:
            return await kubectl(f"--kubeconfig={path}", *arguments, stdin=stdin)

        return run

    return make


@pytest.fixture
async def bearer(served: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """Plain HTTP without a certificate."""
    connector = aiohttp.TCPConnector(ssl=access.Access(served.url, served.pki.ca_pem).tls())
    async with aiohttp.ClientSession(served.url, connector=connector) as session:
        yield session


JANE = User("jane", groups=("devs", "system:authenticated"))


@pytest.mark.kubectl
async def test_roles_open_what_was_closed(kubectl: Say, as_user: Any, may: Any, eventually: Any) -> None:
    jane = as_user("jane", "devs")
    refused = await jane("get", "pods")
    assert 'User "jane" cannot list resource "pods" in API group "" in the namespace "default"' in refused.err
    assert (await kubectl("apply", "-f", "-", stdin=ROLE)).code == 0
    done = await kubectl("create", "rolebinding", "devs-read", "--role=reader", "--group=devs")
    assert done.out == "rolebinding.rbac.authorization.k8s.io/devs-read created\n"
    await eventually(lambda: may(JANE, "list", core_v1.Pod, "default"))
    assert (await jane("get", "pods")).err == "No resources found in default namespace.\n"
    assert "Forbidden" in (await jane("get", "pods", "-n", "kube-system")).err
    assert (await jane("auth", "can-i", "list", "pods")).out == "yes\n"
    assert (await jane("auth", "can-i", "delete", "pods")).out == "no\n"
    assert (
        await kubectl("auth", "can-i", "get", "pods", "--subresource=log", "--as=jane", "--as-group=devs")
    ).out == "no\n"
    await kubectl("delete", "rolebinding", "devs-read")
    await eventually(lambda: not may(JANE, "list", core_v1.Pod, "default"))


@pytest.mark.kubectl
async def test_all_that_one_can_do(kubectl: Say, as_user: Any) -> None:
    listed = [line.split() for line in (await as_user("jane")("auth", "can-i", "--list")).out.splitlines()]
    assert ["selfsubjectreviews.authentication.k8s.io", "[]", "[]", "[create]"] in listed
    assert ["[/healthz]", "[]", "[get]"] in listed
    admin = [line.split() for line in (await kubectl("auth", "can-i", "--list")).out.splitlines()]
    assert admin[1:3] == [["*.*", "[]", "[]", "[*]"], ["[*]", "[]", "[*]"]]


@pytest.mark.kubectl(min="1.27")
async def test_who_one_is(kubectl: Say, as_user: Any) -> None:
    told = [line.split(maxsplit=1) for line in (await as_user("jane", "devs")("auth", "whoami")).out.splitlines()]
    assert told[:-1] == [
        ["ATTRIBUTE", "VALUE"],
        ["Username", "jane"],
        ["Groups", "[devs system:authenticated]"],
    ]
    assert told[-1][1].startswith("authentication.kubernetes.io/credential-id   [X509SHA256=")
    account = "system:serviceaccount:default:robot"
    shown = json.loads((await kubectl("auth", "whoami", f"--as={account}", "-o", "json")).out)
    assert shown["status"]["userInfo"] == {
        "username": account,
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
    }


@pytest.mark.kubectl
async def test_the_roles_for_users(kubectl: Say, aggregation: None, may: Any, eventually: Any) -> None:
    await kubectl("create", "rolebinding", "jane-edits", "--clusterrole=edit", "--user=jane")
    await eventually(lambda: may(JANE, "update", apps_v1.Deployment, "default"))
    assert may(JANE, "list", core_v1.Pod, "default")
    assert may(JANE, "get", core_v1.Namespace, name="default")
    assert not may(JANE, "get", core_v1.Namespace, name="kube-system")
    assert not may(JANE, "update", apps_v1.Deployment, "kube-system")
    more = {"apiGroups": ["stable.example.com"], "resources": ["crontabs"], "verbs": ["get"]}
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "crontabs-view", "labels": labels},
        "rules": [more],
    }
    await kubectl("create", "-f", "-", stdin=json.dumps(role))

    async def gathered() -> bool:
        roles = json.loads((await kubectl("get", "clusterroles", "view", "edit", "admin", "-o", "json")).out)
        return all(more in role["rules"] for role in roles["items"])

    await until(gathered)


@pytest.mark.kubectl
async def test_nobody_grants_what_they_do_not_hold(kubectl: Say, as_user: Any, may: Any, eventually: Any) -> None:
    rules = "--verb=create,update", "--resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io"
    await kubectl("create", "role", "keys", *rules)
    await kubectl("create", "rolebinding", "keys", "--role=keys", "--user=jane")
    jane = as_user("jane")
    refused = await jane("create", "role", "thief", "--verb=get,list", "--resource=secrets")
    assert refused.err.splitlines()[-2:] == [
        'Error from server (Forbidden): roles.rbac.authorization.k8s.io "thief" is forbidden: user "jane" '
        '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
    ]
    refused = await jane("create", "rolebinding", "up", "--clusterrole=cluster-admin", "--user=jane")
    assert "attempting to grant RBAC permissions not currently held" in refused.err
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}\n{NonResourceURLs:["*"], Verbs:["*"]}' in refused.err
    await kubectl("create", "clusterrole", "binder", "--verb=bind", "--resource=clusterroles", "--resource-name=view")
    await kubectl("create", "clusterrolebinding", "binder", "--clusterrole=binder", "--user=jane")
    await eventually(lambda: may(JANE, "bind", rbac_v1.ClusterRole, "default", "view"))
    assert (await jane("create", "rolebinding", "viewers", "--clusterrole=view", "--user=joe")).code == 0
    assert (await jane("create", "rolebinding", "editors", "--clusterrole=system:node", "--user=joe")).code == 1


@pytest.mark.kubectl
async def test_reconcile_adds_what_is_missing(kubectl: Say) -> None:
    await kubectl("apply", "-f", "-", stdin=ROLE)
    more = ROLE.replace("[get, list]", "[watch]")
    done = await kubectl("auth", "reconcile", "-f", "-", stdin=more)
    assert "role.rbac.authorization.k8s.io/reader reconciled" in done.out
    found = json.loads((await kubectl("get", "role", "reader", "-o", "json")).out)
    assert sorted(verb for rule in found["rules"] for verb in rule["verbs"]) == ["get", "list", "watch"]


@pytest.mark.kubectl(min="1.24")
async def test_a_created_token_speaks_for_its_account(kubectl: Say, bearer: aiohttp.ClientSession) -> None:
    token = (await kubectl("create", "token", "default", "--duration=20m")).out.strip()
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    headers = {"Authorization": f"Bearer {token}"}
    async with bearer.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json=body, headers=headers) as answer:
        assert answer.status == 201
        user = (await answer.json())["status"]["userInfo"]
    assert user["username"] == "system:serviceaccount:default:default"
    assert "authentication.kubernetes.io/credential-id" in user["extra"]


async def review(http: aiohttp.ClientSession, group: str, plural: str, kind: str, spec: Any) -> tuple[int, Any]:
    body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
    async with http.post(f"/apis/{group}/v1/{plural}", json=body) as answer:
        return answer.status, await answer.json()


async def test_tokens_are_reviewed(http: aiohttp.ClientSession, served: Any, client: Any) -> None:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["vault"]}}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    async with http.post(path, json=request) as answer:
        token = (await answer.json())["status"]["token"]

    async def verdict(**spec: Any) -> Any:
        code, answer = await review(http, "authentication.k8s.io", "tokenreviews", "TokenReview", spec)
        assert code == 201, answer
        return answer["status"]

    refused = (await verdict(token=token))["error"]
    assert refused.startswith(
        '[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["h'
    )
    found = await verdict(token=token, audiences=["other", "vault"])
    assert found["authenticated"] is True
    assert found["audiences"] == ["vault"]
    assert found["user"]["username"] == "system:serviceaccount:default:default"
    assert await verdict(token="nonsense") == {"user": {}, "error": "invalid bearer token"}
    code, answer = await review(http, "authentication.k8s.io", "tokenreviews", "TokenReview", {})
    assert (code, answer["message"]) == (400, "token is required for TokenReview in authentication")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"user": "jane"},
            "spec.resourceAttributes: Invalid value: null: "
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        ),
        (
            {"resourceAttributes": {"verb": "get"}},
            'spec.user: Invalid value: "": at least one of user or group must be specified',
        ),
    ],
)
async def test_access_reviews_must_be_complete(http: aiohttp.ClientSession, spec: Any, message: str) -> None:
    code, answer = await review(http, "authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", spec)
    assert code == 422
    assert message in answer["message"]


async def test_access_is_reviewed(http: aiohttp.ClientSession) -> None:
    async def verdict(**spec: Any) -> Any:
        code, answer = await review(http, "authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", spec)
        assert code == 201, answer
        return answer["status"]

    wanted = {"verb": "get", "resource": "pods", "namespace": "default"}
    assert await verdict(user="jane", resourceAttributes=wanted) == {"allowed": False}
    allowed = await verdict(
        user="x", groups=["system:monitoring"], nonResourceAttributes={"verb": "get", "path": "/metrics"}
    )
    assert allowed == {
        "allowed": True,
        "reason": 'RBAC: allowed by ClusterRoleBinding "system:monitoring" of ClusterRole "system:monitoring" '
        'to Group "system:monitoring"',
    }


async def test_reviews_cannot_be_read(http: aiohttp.ClientSession) -> None:
    async with http.get("/apis/authorization.k8s.io/v1/subjectaccessreviews") as answer:
        assert answer.status == 405


@pytest.mark.parametrize(
    ("headers", "code", "message"),
    [
        ({"Impersonate-Group": "devs"}, 400, "without impersonating a user"),
        ({"Impersonate-User": "jane"}, 403, 'pods is forbidden: User "jane" cannot list resource "pods"'),
    ],
)
async def test_impersonation_is_for_somebody(
    http: aiohttp.ClientSession, headers: dict[str, str], code: int, message: str
) -> None:
    async with http.get("/api/v1/namespaces/default/pods", headers=headers) as answer:
        assert answer.status == code
        assert message in (await answer.json())["message"]


@pytest.mark.kubectl
async def test_impersonation_must_be_allowed(kubectl: Say, as_user: Any, may: Any, eventually: Any) -> None:
    jane = as_user("jane")
    await jane("api-resources")  # kubectl tells nothing of a refusal while it looks for what is served
    refused = await jane("get", "pods", "--as=joe")
    assert 'users "joe" is forbidden: User "jane" cannot impersonate resource "users" in API group ""' in refused.err
    await kubectl("create", "clusterrole", "as-joe", "--verb=impersonate", "--resource=users", "--resource-name=joe")
    await kubectl("create", "clusterrolebinding", "as-joe", "--clusterrole=as-joe", "--user=jane")

    async def acts() -> bool:
        return 'User "joe" cannot list resource "pods"' in (await jane("get", "pods", "--as=joe")).err

    await until(acts)
    refused = await jane("get", "pods", "--as=joe", "--as-group=system:masters")
    assert 'groups "system:masters" is forbidden: User "jane" cannot impersonate resource "groups"' in refused.err
