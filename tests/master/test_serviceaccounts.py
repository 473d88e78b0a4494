"""ServiceAccount tokens: believed while everything that they name is there, and by no one else's signature."""

import json
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from master import serviceaccounts
from master.pki import Pki
from master.registry.subresources import TokenClaims
from master.serviceaccounts import Identity, Reference, RegistryMinter, TokenInvalid, TokenIssuer
from timonel.api.types import core_v1, meta_v1

IDENTITY = Identity(
    "shop", Reference("web", "sa-uid"), pod=Reference("web-1", "pod-uid"), node=Reference("n1", "node-uid")
)
EXISTING = {
    ("serviceaccounts", "shop", "web"): "sa-uid",
    ("pods", "shop", "web-1"): "pod-uid",
    ("nodes", "", "n1"): "node-uid",
}


class Objects:
    def __init__(self, uids: dict[tuple[str, str, str], str]) -> None:
        self.uids = dict(uids)

    async def uid(self, plural: str, namespace: str, name: str) -> str | None:
        return self.uids.get((plural, namespace, name))


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> TokenIssuer:
    return TokenIssuer(Pki.open(tmp_path_factory.mktemp("pki")).service_account_key)


async def test_a_token_speaks_for_its_account(issuer: TokenIssuer) -> None:
    identity = await issuer.verify(issuer.mint(IDENTITY).text, Objects(EXISTING))
    assert replace(identity, token_id="") == IDENTITY
    user = identity.user()
    assert (user.name, user.uid) == ("system:serviceaccount:shop:web", "sa-uid")
    assert set(user.groups) == {"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}
    assert user.extra["authentication.kubernetes.io/pod-name"] == ("web-1",)
    assert user.extra["authentication.kubernetes.io/node-uid"] == ("node-uid",)


async def test_the_claims_are_those_of_kubernetes(issuer: TokenIssuer) -> None:
    token = issuer.mint(IDENTITY, ["vault"], 900)
    claims = jwt.decode(token.text, options={"verify_signature": False})
    assert claims["iss"] == "https://kubernetes.default.svc.cluster.local"
    assert claims["sub"] == "system:serviceaccount:shop:web"
    assert claims["aud"] == ["vault"]
    assert claims["exp"] - claims["iat"] == 900
    assert claims["exp"] == token.expires.timestamp()
    assert claims["nbf"] == claims["iat"]
    assert claims["kubernetes.io"] == {
        "namespace": "shop",
        "serviceaccount": {"name": "web", "uid": "sa-uid"},
        "pod": {"name": "web-1", "uid": "pod-uid"},
        "node": {"name": "n1", "uid": "node-uid"},
    }


@pytest.mark.parametrize("gone", [key for key in EXISTING if key[0] != "nodes"])
async def test_a_token_ends_with_what_it_names(issuer: TokenIssuer, gone: tuple[str, str, str]) -> None:
    token = issuer.mint(IDENTITY).text
    objects = Objects(EXISTING)
    objects.uids[gone] = "another"
    with pytest.raises(TokenInvalid, match=r"UID \(another\) does not match"):
        await issuer.verify(token, objects)
    del objects.uids[gone]
    with pytest.raises(TokenInvalid, match=r"invalidated|not found"):
        await issuer.verify(token, objects)


async def test_audience_time_signature_and_issuer_are_checked(
    issuer: TokenIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = issuer.mint(IDENTITY, ["vault"]).text
    with pytest.raises(TokenInvalid, match=r"(?i)audience"):
        issuer.read(vault)
    assert issuer.read(vault, ["other", "vault"]).account.name == "web"

    forger = TokenIssuer(Pki.open(tmp_path).service_account_key)
    with pytest.raises(TokenInvalid, match=r"(?i)signature"):
        issuer.read(forger.mint(IDENTITY).text)

    other = TokenIssuer(Pki.open(tmp_path).service_account_key, "https://elsewhere")
    assert not issuer.is_ours(other.mint(IDENTITY).text)
    assert issuer.is_ours(forger.mint(IDENTITY).text)

    with monkeypatch.context() as patch:
        patch.setattr(serviceaccounts.time, "time", lambda: 1_000_000_000)
        old = issuer.mint(IDENTITY).text
    with pytest.raises(TokenInvalid, match=r"(?i)expired"):
        issuer.read(old)


async def test_a_nodes_own_token_ends_with_the_node_but_a_pods_does_not(issuer: TokenIssuer) -> None:
    objects = Objects({key: uid for key, uid in EXISTING.items() if key[0] != "nodes"})
    await issuer.verify(issuer.mint(IDENTITY).text, objects)
    with pytest.raises(TokenInvalid, match="invalidated"):
        await issuer.verify(issuer.mint(replace(IDENTITY, pod=None)).text, objects)


async def test_the_registrys_claims_become_a_token(issuer: TokenIssuer) -> None:
    minter = RegistryMinter(issuer, Objects(EXISTING))
    claims = TokenClaims("shop", "web", "sa-uid", (), 3600, "Pod", "web-1", "pod-uid", "n1")
    assert replace(issuer.read((await minter.mint(claims)).token), token_id="") == IDENTITY


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_token_is_refused(issuer: TokenIssuer, text: str) -> None:
    assert not issuer.is_ours(text)
    with pytest.raises(TokenInvalid):
        issuer.read(text)


def test_an_unsigned_token_is_refused(issuer: TokenIssuer) -> None:
    claims = jwt.decode(issuer.mint(IDENTITY).text, options={"verify_signature": False})
    with pytest.raises(TokenInvalid):
        issuer.read(jwt.encode(claims, None, "none"))


def test_others_verify_with_the_published_keys(issuer: TokenIssuer) -> None:
    token = issuer.mint(IDENTITY, ["vault"]).text
    key = jwt.PyJWKSet.from_json(json.dumps(issuer.jwks()))[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"], audience="vault")["sub"] == IDENTITY.username


@pytest.mark.parametrize(("asked", "given"), [(1, 600), (10**9, 365 * 24 * 3600)])
def test_lifetimes_have_bounds(issuer: TokenIssuer, asked: int, given: int) -> None:
    claims = jwt.decode(issuer.mint(IDENTITY, seconds=asked).text, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == given


async def test_a_secrets_token_lives_as_long_as_the_secret_and_the_account(issuer: TokenIssuer) -> None:
    account = core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(namespace="shop", name="web", uid="sa-uid"))
    secret = core_v1.Secret(metadata=meta_v1.ObjectMeta(namespace="shop", name="key", uid="secret-uid"))
    token = issuer.mint_for_secret(account, secret)
    assert issuer.is_ours(token)
    objects = Objects({**EXISTING, ("secrets", "shop", "key"): "secret-uid"})
    assert (await issuer.verify(token, objects)).username == "system:serviceaccount:shop:web"
    with pytest.raises(TokenInvalid, match="audiences"):
        await issuer.verify(token, objects, ["vault"])
    objects.uids["secrets", "shop", "key"] = "of another with the same name"
    with pytest.raises(TokenInvalid, match="secret UID"):
        await issuer.verify(token, objects)
    del objects.uids["secrets", "shop", "key"]
    with pytest.raises(TokenInvalid, match="invalidated"):
        await issuer.verify(token, objects)


def test_only_secrets_tokens_may_have_no_end(issuer: TokenIssuer) -> None:
    claims = jwt.decode(issuer.mint(IDENTITY).text, options={"verify_signature": False})
    del claims["exp"]
    forever = jwt.encode(claims, issuer._key, serviceaccounts.ALGORITHM)
    with pytest.raises(TokenInvalid, match="no end"):
        issuer.read(forever)
