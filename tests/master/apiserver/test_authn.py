"""Who is who, and who gets in."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from multidict import CIMultiDict

from master import bootstrap_tokens
from master.apiserver.authn.base import Credentials, Union, bearer_token
from master.apiserver.authn.certificates import ClientCertificates
from master.apiserver.authn.request_headers import RequestHeaders, RequestHeaderSettings
from master.apiserver.authn.tokens import StaticTokens
from master.apiserver.server import ApiServer, server_tls
from master.bootstrap_tokens import BootstrapToken
from master.pki import KeyPair, Pki
from master.registry.base import User, component
from master.serviceaccounts import INVALID_SINCE, LAST_USED, Identity, Reference
from timonel.api import codec
from timonel.api.errors import Unauthorized
from timonel.api.types import core_v1
from timonel.client import Client
from timonel.kubeconfig import Access

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
async def anonymous(served: Any) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=Access(served.url, ca=served.pki.ca_pem).tls())
    async with aiohttp.ClientSession(served.url, connector=connector) as session:
        yield session


async def code(session: aiohttp.ClientSession, path: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.get(path, headers=headers) as response:
        await response.read()
        return response.status


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/version"])
async def test_health_and_version_are_for_all(anonymous: aiohttp.ClientSession, path: str) -> None:
    assert await code(anonymous, path) == 200


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis", "/api/v1", PODS, "/metrics", "/openapi/v2", "/nowhere", "/versions", "/livez/ping"]
)
async def test_everything_else_asks_who_one_is(anonymous: aiohttp.ClientSession, path: str) -> None:
    assert await code(anonymous, path) == 401


@pytest.mark.parametrize("token", ["x", "a.b.c", "abcdef.0123456789abcdef", "eyJhbGciOiJub25lIn0.e30."])
@pytest.mark.parametrize("path", [PODS, "/livez"])
async def test_bad_tokens(anonymous: aiohttp.ClientSession, token: str, path: str) -> None:
    assert await code(anonymous, path, token) == 401


async def test_a_service_account_is_known_while_it_exists(served: Any, anonymous: aiohttp.ClientSession) -> None:
    account = codec.decode(
        core_v1.ServiceAccount,
        (await served.registry.get(component("test"), core_v1.ServiceAccount, "default", "default")).raw,
    )
    identity = Identity("default", Reference("default", account.metadata.uid or ""))
    token = served.issuer.mint(identity).text
    assert await code(anonymous, "/api", token) == 200
    assert await code(anonymous, PODS, token) == 403, "known, but not allowed"
    foreign = served.issuer.mint(identity, audiences=["somebody else"]).text
    assert await code(anonymous, "/api", foreign) == 401
    await served.registry.delete(component("test"), core_v1.ServiceAccount, "default", "default")
    assert await code(anonymous, "/api", token) == 401


async def test_the_use_of_a_secrets_token_is_noted_until_it_is_marked(
    served: Any, anonymous: aiohttp.ClientSession
) -> None:
    who, registry = component("test"), served.registry
    account = codec.decode(
        core_v1.ServiceAccount, (await registry.get(who, core_v1.ServiceAccount, "default", "default")).raw
    )
    body = b'{"metadata":{"name":"token"},"type":"Opaque"}'
    secret = codec.decode(core_v1.Secret, (await registry.create(who, core_v1.Secret, "default", body)).raw)
    token = served.issuer.mint_for_secret(account, secret)
    await registry.cache(core_v1.Secret).fresh()
    assert await code(anonymous, "/api", token) == 200
    noted = codec.decode(core_v1.Secret, (await registry.get(who, core_v1.Secret, "default", "token")).raw)
    assert noted.metadata.labels == {LAST_USED: f"{datetime.now(UTC):%Y-%m-%d}"}
    mark = codec.encode({"metadata": {"labels": {INVALID_SINCE: "2026-01-01"}}})
    await registry.patch(who, core_v1.Secret, "default", "token", "application/merge-patch+json", mark)
    await registry.cache(core_v1.Secret).fresh()
    assert await code(anonymous, "/api", token) == 401


async def test_proxies_tell_who_asks_and_nobody_else_does(served: Any, tmp_path: Path) -> None:
    proxies = Pki.open(tmp_path / "proxies")
    believed = RequestHeaders(RequestHeaderSettings(proxies.ca_pem, ["front"]))
    own = served.pki.issue_server(["127.0.0.1"])
    api = ApiServer(
        served.registry,
        server_tls(own.certificate, own.key, served.pki.ca_pem + proxies.ca_pem),
        certificates=[believed, ClientCertificates(served.pki.ca_pem)],
        host="127.0.0.1",
        port=0,
    )
    await api.start()
    told = CIMultiDict(
        [
            ("X-Remote-User", "jane"),
            ("X-Remote-Uid", "7"),
            ("X-Remote-Group", "a"),
            ("X-Remote-Group", "b"),
            ("X-Remote-Extra-Acme%2FTeam", "t"),
        ]
    )

    async def ask(pair: KeyPair, headers: CIMultiDict[str]) -> Any:
        url = f"https://127.0.0.1:{api.port}"
        tls = Access(url, ca=served.pki.ca_pem, certificate=pair.certificate, key=pair.key).tls()
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=tls)) as session:
            path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
            async with session.post(path, json=review, headers=headers) as answer:
                return (await answer.json())["status"]["userInfo"] if answer.status == 201 else answer.status

    try:
        front = proxies.issue_client("front")
        groups = ["a", "b", "system:authenticated"]
        who = {"username": "jane", "uid": "7", "groups": groups, "extra": {"acme/team": ["t"]}}
        assert await ask(front, told) == who
        assert await ask(front, CIMultiDict()) == 401, "a proxy is nobody itself"
        assert await ask(proxies.issue_client("x", ["system:masters"]), told) == 401, "this name is not allowed"
        ours = await ask(served.pki.issue_client("front"), told)
        assert ours["username"] == "front", "the cluster's own authority signs for users, not for proxies"
    finally:
        await api.close()


async def test_bootstrap_tokens(served: Any, anonymous: aiohttp.ClientSession) -> None:
    good, old = BootstrapToken.new(), BootstrapToken.new()
    now = datetime.now(UTC)
    for token, expires in ((good, now + timedelta(hours=1)), (old, now - timedelta(hours=1))):
        secret = bootstrap_tokens.to_secret(token, expires)
        await served.registry.create(component("test"), core_v1.Secret, "kube-system", secret)
    assert await code(anonymous, "/api", str(good)) == 200
    assert await code(anonymous, "/api", str(old)) == 401


async def test_a_users_certificate_tells_name_and_groups(served: Any) -> None:
    pair = served.pki.issue_client("jane", ["devs"])
    access = Access(served.url, ca=served.pki.ca_pem, certificate=pair.certificate, key=pair.key)
    async with Client(access) as client:
        with pytest.raises(Exception, match='User "jane" cannot list resource "pods"'):
            await client.kind(core_v1.Pod).list("default")


async def test_a_certificate_proves_nothing_after_its_end(served: Any) -> None:
    pair = served.pki.issue_client("jane", ["devs"], timedelta(hours=1))
    shown = Credentials(x509.load_pem_x509_certificate(pair.certificate).public_bytes(Encoding.DER))
    now = datetime.now(UTC)
    user = await ClientCertificates(clock=lambda: now).authenticate(shown)
    assert user
    assert (user.name, user.groups) == ("jane", ("devs", "system:authenticated"))
    assert await ClientCertificates(clock=lambda: now + timedelta(hours=2)).authenticate(shown) is None


async def test_another_authoritys_certificate_is_refused(served: Any, tmp_path: Path) -> None:
    stranger = Pki.open(tmp_path / "stranger").issue_client("kubernetes-admin", ["system:masters"])
    access = Access(served.url, ca=served.pki.ca_pem, certificate=stranger.certificate, key=stranger.key)
    async with Client(access) as client:
        with pytest.raises(ConnectionError):
            await client.call("GET", "/version")


async def test_a_node_is_held_to_the_node_rule(served: Any) -> None:
    pair = served.pki.issue_client("system:node:n1", ["system:nodes"])
    access = Access(served.url, ca=served.pki.ca_pem, certificate=pair.certificate, key=pair.key)
    async with Client(access) as client:
        with pytest.raises(Exception, match="forbidden"):
            await client.kind(core_v1.Secret).list("default")


async def test_a_file_of_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text('secret,jane,1,"devs,ops"\n\nother,joe,2\n')
    union = Union([ClientCertificates(), StaticTokens(path)])
    jane = await union.authenticate(Credentials(bearer="secret"))
    assert jane == User("jane", "1", ("devs", "ops", "system:authenticated"))
    assert (await union.authenticate(Credentials(bearer="other"))).name == "joe"  # type: ignore[union-attr]
    with pytest.raises(Unauthorized):
        await union.authenticate(Credentials(bearer="wrong"))
    assert await union.authenticate(Credentials()) is None


def test_a_bad_line_of_a_token_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text("a,b,c\nnonsense\n")
    with pytest.raises(ValueError, match="line 2"):
        StaticTokens(path)


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic " + base64.b64encode(b"a:b").decode(), ""), ("", "")],
)
def test_bearer_headers(header: str, token: str) -> None:
    assert bearer_token(header) == token
