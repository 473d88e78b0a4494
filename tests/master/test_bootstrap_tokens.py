"""Bootstrap tokens: the right one admits, every other is refused for its own reason."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from master import bootstrap_tokens
from master.bootstrap_tokens import (
    BootstrapToken,
    TokenExpired,
    TokenNotForJoining,
    TokenRefused,
    TokenUnknown,
    TokenUsedUp,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOKEN = BootstrapToken("abcdef", "0123456789abcdef")


def test_the_secret_is_as_kubernetes_has_it() -> None:
    secret = bootstrap_tokens.to_secret(TOKEN, NOW, description="for node-1")
    assert (secret.metadata.namespace, secret.metadata.name) == ("kube-system", "bootstrap-token-abcdef")
    assert secret.type == "bootstrap.kubernetes.io/token"
    assert {key: base64.b64decode(value).decode() for key, value in secret.data.items()} == {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "expiration": "2026-03-01T00:00:00Z",
        "usage-bootstrap-authentication": "true",
        "description": "for node-1",
    }


def test_a_token_admits_until_it_expires() -> None:
    secret = bootstrap_tokens.to_secret(TOKEN, NOW)
    bootstrap_tokens.check(TOKEN, secret, NOW - timedelta(seconds=1))
    with pytest.raises(TokenExpired, match="expired at 2026-03-01T00:00:00Z"):
        bootstrap_tokens.check(TOKEN, secret, NOW)
    bootstrap_tokens.check(TOKEN, bootstrap_tokens.to_secret(TOKEN, None), NOW + timedelta(days=10_000))


def test_a_token_is_used_up() -> None:
    secret = bootstrap_tokens.to_secret(TOKEN, None, uses=2)
    for _ in range(2):
        bootstrap_tokens.check(TOKEN, secret, NOW)
        assert bootstrap_tokens.use(secret)
    with pytest.raises(TokenUsedUp, match="used up"):
        bootstrap_tokens.check(TOKEN, secret, NOW)
    assert not bootstrap_tokens.use(bootstrap_tokens.to_secret(TOKEN, None))


def test_a_guess_learns_nothing() -> None:
    expired = bootstrap_tokens.to_secret(TOKEN, NOW - timedelta(days=1), uses=0)
    guess = BootstrapToken("abcdef", "x" * 16)
    texts = set()
    for secret in (None, expired, bootstrap_tokens.to_secret(TOKEN, None)):
        with pytest.raises(TokenUnknown) as refusal:
            bootstrap_tokens.check(guess, secret, NOW)
        texts.add(str(refusal.value))
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("key", "value", "refusal"),
    [
        ("usage-bootstrap-authentication", b"false", TokenNotForJoining),
        ("expiration", b"soon", TokenExpired),
        ("expiration", b"2099-01-01T00:00:00", TokenExpired),
        ("token-secret", b"\xff", TokenUnknown),
        ("token-id", b"fedcba", TokenUnknown),
    ],
)
def test_a_secret_that_makes_no_sense_admits_nobody(key: str, value: bytes, refusal: type[TokenRefused]) -> None:
    secret = bootstrap_tokens.to_secret(TOKEN, None)
    secret.data[key] = base64.b64encode(value).decode()
    with pytest.raises(refusal):
        bootstrap_tokens.check(TOKEN, secret, NOW)


@pytest.mark.parametrize("uses", ["", "many", "-1"])
def test_a_count_of_uses_that_is_none_admits_nobody(uses: str) -> None:
    secret = bootstrap_tokens.to_secret(TOKEN, None, uses=1)
    secret.metadata.annotations["timonel.io/uses-left"] = uses
    with pytest.raises(TokenUsedUp):
        bootstrap_tokens.check(TOKEN, secret, NOW)


def test_a_secret_of_another_type_admits_nobody() -> None:
    secret = bootstrap_tokens.to_secret(TOKEN, None)
    secret.type = "Opaque"
    with pytest.raises(TokenUnknown):
        bootstrap_tokens.check(TOKEN, secret, NOW)


def test_new_tokens_have_the_form_and_differ() -> None:
    tokens = {str(BootstrapToken.new()) for _ in range(100)}
    assert len(tokens) == 100
    assert {str(BootstrapToken.parse(text)) for text in tokens} == tokens


@pytest.mark.parametrize("text", ["", "abcdef", "abcdef.0123", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdef\n"])
def test_what_has_not_the_form_is_refused(text: str) -> None:
    with pytest.raises(TokenUnknown, match="has the form"):
        BootstrapToken.parse(text)


@pytest.mark.parametrize(
    ("named", "groups"),
    [
        ("", ("system:bootstrappers",)),
        ("system:bootstrappers:a, system:bootstrappers:b:c", ("system:bootstrappers:a", "system:bootstrappers:b:c")),
        ("system:masters", None),
        ("system:bootstrappers:", None),
    ],
)
def test_extra_groups_are_of_bootstrappers_only(named: str, groups: tuple[str, ...] | None) -> None:
    secret = bootstrap_tokens.to_secret(TOKEN, NOW)
    secret.data["auth-extra-groups"] = base64.b64encode(named.encode()).decode()
    if groups is None:
        with pytest.raises(TokenRefused):
            bootstrap_tokens.groups(secret)
    else:
        assert bootstrap_tokens.groups(secret) == tuple(dict.fromkeys(("system:bootstrappers", *groups)))
