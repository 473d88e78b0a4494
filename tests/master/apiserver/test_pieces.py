"""Long answers come whole, however they are cut."""

import asyncio
from collections.abc import Callable
from typing import cast

import aiohttp
import pytest
from aiohttp.abc import AbstractStreamWriter

from master.apiserver import pieces
from master.apiserver.pieces import Pieces, PiecesPayload
from timonel.api.types import core_v1
from timonel.client import Client

MAPS = "/api/v1/namespaces/default/configmaps"

SHORT = Pieces(b"[", (), b"]")
LONG = Pieces(b"[", [b"x" * 100_000 for _ in range(20)], b"]")


@pytest.mark.parametrize("text", [SHORT, Pieces(b"[", [b"1"], b"]"), Pieces(b"[", [b"1", b"2"], b"]"), LONG])
def test_pieces_are_the_whole(text: Pieces) -> None:
    assert b"".join(text) == bytes(text)
    assert len(bytes(text)) == text.size


def test_pieces_are_small() -> None:
    assert max(map(len, LONG)) < 2 * pieces.PIECE


class Stuck:
    """Writes to a client that does not read."""

    async def write(self, chunk: bytes) -> None:
        await asyncio.Event().wait()


async def test_a_client_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "READ_SECONDS", 0.01)
    with pytest.raises(ConnectionResetError, match="does not read"):
        await PiecesPayload(LONG, "application/json").write(cast(AbstractStreamWriter, Stuck()))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_long_list_is_whole(
    http: aiohttp.ClientSession, client: Client, config_map: Callable[..., core_v1.ConfigMap], encoding: str
) -> None:
    wanted = [f"long-{number}" for number in range(8)]
    for name in wanted:
        await client.kind(core_v1.ConfigMap).create(config_map(name, x="y" * 100_000))
    for query in ("", "?pretty=true"):
        async with http.get(f"{MAPS}{query}", headers={"Accept-Encoding": encoding}) as response:
            assert response.content_type == "application/json"
            found = await response.json()
        assert [item["metadata"]["name"] for item in found["items"]] == wanted
