"""Join tokens: Secrets in kube-system that let machines become nodes for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from timonel.client import Client


async def create_join_token(client: Client, *, hours: float, uses: int | None = None) -> str:
    """A new token that is good for so many hours and joins (None: any number)."""
    from master.bootstrap_tokens import BootstrapToken, to_secret

    token = BootstrapToken.new()
    secret = to_secret(token, datetime.now(UTC) + timedelta(hours=hours), uses, "made by timonel join-token")
    await client.kind(type(secret)).create(secret)
    return str(token)
