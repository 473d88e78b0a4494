"""Secrets that hold a token of a ServiceAccount: filled, kept up, and gone with the account."""

import base64
from typing import Any

from master.controllers.token_secrets import NAME, TYPE, UID, token_secrets
from timonel.api.types import core_v1, meta_v1

CONTROLLER = token_secrets(lambda account, secret: f"{account.metadata.uid} {secret.metadata.name}", b"the authority")
META = meta_v1.ObjectMeta(namespace="ns", name="robot")


def fill(world: Any, **annotations: str) -> Any:
    notes = {NAME: "robot", **{key.replace("uid", UID): value for key, value in annotations.items()}}
    metadata = meta_v1.ObjectMeta(namespace="ns", name="token", annotations=notes)
    secret = world.add(core_v1.Secret(metadata=metadata, type=TYPE))
    world.apply(CONTROLLER.reconcile(secret, world, world.now))
    return secret


def found(world: Any) -> Any:
    return world.get(core_v1.Secret, "ns", "token")


def test_a_secret_gets_its_accounts_token_once(world: Any) -> None:
    account = world.add(core_v1.ServiceAccount(metadata=META))
    fill(world)
    data = {key: base64.b64decode(value).decode() for key, value in found(world).data.items()}
    assert data == {"ca.crt": "the authority", "namespace": "ns", "token": f"{account.metadata.uid} token"}
    assert found(world).metadata.annotations[UID] == account.metadata.uid
    assert not world.apply(CONTROLLER.reconcile(found(world), world, world.now))
    assert [key.name for key in CONTROLLER.wakes_on[0].keys(account, world)] == ["token"]


def test_it_goes_with_the_account_but_not_before_the_account_can_be_known(world: Any) -> None:
    secret = fill(world)
    assert found(world)
    world.wait(world.requeue)
    world.apply(CONTROLLER.reconcile(secret, world, world.now))
    assert not found(world)


def test_that_of_an_account_that_was_made_anew_goes_too(world: Any) -> None:
    world.add(core_v1.ServiceAccount(metadata=META))
    secret = fill(world, uid="of the account before")
    world.wait(world.requeue)
    world.apply(CONTROLLER.reconcile(secret, world, world.now))
    assert not found(world)


def test_other_secrets_are_left_alone(world: Any) -> None:
    secret = world.add(core_v1.Secret(metadata=META, type="Opaque"))
    assert not list(CONTROLLER.reconcile(secret, world, world.now))
