"""OpenID Connect: tokens of an identity provider, made here."""

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from master.apiserver.authn.base import Credentials
from master.apiserver.authn.oidc import OidcSettings, OpenIdConnect
from master.apiserver.server import server_tls
from master.configuration import ConfigurationError
from master.pki import Pki
from timonel.api.errors import Unauthorized

ISSUER = "https://id.example.com"
CLIENT = "timonel"


class Provider:
    """An identity provider with one key."""

    def __init__(self, issuer: str = ISSUER, key_id: str = "k1") -> None:
        self.issuer = issuer
        self.key_id = key_id
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**key, "kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def token(self, **claims: Any) -> str:
        all_claims = {"iss": self.issuer, "aud": CLIENT, "sub": "jane", "exp": int(time.time()) + 60, **claims}
        kept = {key: value for key, value in all_claims.items() if value is not None}
        return jwt.encode(kept, self.key, "RS256", headers={"kid": self.key_id})


@pytest.fixture(scope="module")
def provider() -> Provider:
    return Provider()


@pytest.fixture
def believer(provider: Provider, tmp_path: Path) -> Callable[..., OpenIdConnect]:
    """An authenticator that has the provider's keys in a file."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(provider.jwks()))
    return lambda **more: OpenIdConnect(OidcSettings(ISSUER, CLIENT, jwks=str(file), **more))


async def test_claims_become_a_user(provider: Provider, believer: Any) -> None:
    token = provider.token(email="jane@example.com", email_verified=True, teams=["a", "system:masters", "b"])
    plain = await believer().authenticate(Credentials(bearer=token))
    assert (plain.name, plain.groups) == (f"{ISSUER}#jane", ())
    settings = {"username_claim": "email", "groups_claim": "teams"}
    user = await believer(**settings).authenticate(Credentials(bearer=token))
    assert (user.name, user.groups) == ("jane@example.com", ("a", "b")), "no provider gives the cluster's own groups"
    prefixed = await believer(**settings, username_prefix="x:", groups_prefix="y:").authenticate(
        Credentials(bearer=token)
    )
    assert (prefixed.name, prefixed.groups) == ("x:jane@example.com", ("y:a", "y:system:masters", "y:b"))
    one = await believer(groups_claim="team").authenticate(Credentials(bearer=provider.token(team="a")))
    assert one.groups == ("a",)


@pytest.mark.parametrize(
    ("settings", "claims"),
    [
        ({}, {"exp": int(time.time()) - 60}),
        ({}, {"exp": None}),
        ({}, {"aud": "another"}),
        ({}, {"sub": None}),
        ({}, {"sub": ["jane"]}),
        ({"username_prefix": "-"}, {"sub": "system:admin"}),
        ({"username_claim": "email"}, {"email": "a@b.c", "email_verified": False}),
        ({"groups_claim": "teams"}, {"teams": {"a": 1}}),
        ({"required_claims": {"tenant": "us"}}, {}),
        ({"required_claims": {"tenant": "us"}}, {"tenant": "them"}),
    ],
)
async def test_bad_claims_are_refused(
    provider: Provider, believer: Any, settings: dict[str, Any], claims: dict[str, Any]
) -> None:
    with pytest.raises(Unauthorized):
        await believer(**settings).authenticate(Credentials(bearer=provider.token(**claims)))


async def test_other_signatures_are_refused(provider: Provider, believer: Any) -> None:
    forged = Provider().token()
    other = jwt.encode({"iss": ISSUER, "aud": CLIENT, "sub": "x", "exp": 2**31}, "secret" * 8, "HS256")
    none = jwt.encode({"iss": ISSUER, "aud": CLIENT, "sub": "x", "exp": 2**31}, None, "none")
    curve = jwt.encode({"iss": ISSUER, "aud": CLIENT, "sub": "x"}, ec.generate_private_key(ec.SECP256R1()), "ES256")
    for token in (forged, other, none, curve):
        with pytest.raises(Unauthorized):
            await believer().authenticate(Credentials(bearer=token))


@pytest.mark.parametrize("bearer", ["", "a.b", "a.b.c", "x" * 100])
async def test_what_is_no_token_of_the_provider_is_left_to_others(believer: Any, bearer: str) -> None:
    assert await believer().authenticate(Credentials(bearer=bearer)) is None
    assert await believer().authenticate(Credentials(bearer=Provider("https://other").token())) is None


@pytest.mark.parametrize(
    "settings",
    [
        OidcSettings("http://id.example.com", CLIENT),
        OidcSettings(ISSUER, ""),
        OidcSettings(ISSUER, CLIENT, algorithms=("HS256",)),
        OidcSettings(ISSUER, CLIENT, algorithms=("none",)),
    ],
)
def test_settings_that_cannot_be_right(settings: OidcSettings) -> None:
    with pytest.raises(ConfigurationError):
        OpenIdConnect(settings)


async def test_without_keys_nobody_is_believed(provider: Provider, tmp_path: Path) -> None:
    absent = OpenIdConnect(OidcSettings(ISSUER, CLIENT, jwks=str(tmp_path / "absent")))
    with pytest.raises(Unauthorized):
        await absent.authenticate(Credentials(bearer=provider.token()))


class Site:
    """A provider on the network, which counts how often its keys are fetched."""

    def __init__(self) -> None:
        self.provider = Provider()
        self.fetched = 0

    async def handle(self, http: web.BaseRequest) -> web.Response:
        if http.path == "/.well-known/openid-configuration":
            return web.json_response({"issuer": self.provider.issuer, "jwks_uri": f"{self.provider.issuer}/keys"})
        self.fetched += 1
        return web.json_response(self.provider.jwks())


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[tuple[Site, Path]]:
    pki = Pki.open(tmp_path / "pki")
    pair = pki.issue_server(["127.0.0.1"])
    found = Site()
    runner = web.ServerRunner(web.Server(found.handle))
    await runner.setup()
    tls = server_tls(pair.certificate, pair.key, pki.ca_pem)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    found.provider.issuer = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield found, tmp_path / "pki" / "ca.crt"
    await runner.cleanup()


async def test_keys_are_discovered_and_kept(site: tuple[Site, Path]) -> None:
    found, ca_file = site
    believer = OpenIdConnect(OidcSettings(found.provider.issuer, CLIENT, ca_file=ca_file))
    for _ in range(3):
        user = await believer.authenticate(Credentials(bearer=found.provider.token()))
        assert user is not None
        assert user.name == f"{found.provider.issuer}#jane"
    assert found.fetched == 1
    found.provider.key_id = "unknown"
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await believer.authenticate(Credentials(bearer=found.provider.token()))
    assert found.fetched == 1, "a made-up key's name does not make the master ask the provider each time"


async def test_a_site_that_is_not_trusted_is_not_believed(site: tuple[Site, Path]) -> None:
    believer = OpenIdConnect(OidcSettings(site[0].provider.issuer, CLIENT))
    with pytest.raises(Unauthorized):
        await believer.authenticate(Credentials(bearer=site[0].provider.token()))
