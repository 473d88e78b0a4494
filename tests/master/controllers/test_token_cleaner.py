"""Bootstrap tokens go at their end."""

from datetime import timedelta
from typing import Any

from master.bootstrap_tokens import BootstrapToken, to_secret
from master.controllers.token_cleaner import token_cleaner
from timonel.api.types import core_v1, meta_v1


def test_tokens_go_at_their_end(world: Any) -> None:
    token = world.add(to_secret(BootstrapToken("abcdef", "0123456789abcdef"), world.now + timedelta(seconds=60)))
    world.add(to_secret(BootstrapToken("bbcdef", "0123456789abcdef"), None))
    world.add(core_v1.Secret(metadata=meta_v1.ObjectMeta(namespace="kube-system", name="x"), type="Opaque"))
    world.settle(token_cleaner, kinds=[core_v1.Secret])
    assert world.requeue == 60
    world.wait(60)
    world.settle(token_cleaner, kinds=[core_v1.Secret])
    assert world.get(core_v1.Secret, "kube-system", token.metadata.name) is None
    assert len(world.list(core_v1.Secret)) == 2
