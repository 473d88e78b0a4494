"""Schemathesis on the OpenAPI documents: every answer is a documented one, none a 5xx, and none is waited for in vain.

Processes of its own send what `fuzzing.py` leads and thins out; the seed is fixed, so each sends the same each time.
"""

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from timonel import kubeconfig as access
from timonel.api.types import core_v1
from timonel.client import Client

SEED = 1
AT_LEAST = 20_000
PROCESSES = 3
SECONDS = 1500
"""The deadline of it all. On two idle cores it takes about three minutes."""
PER_REQUEST = 30
CHECKS = "not_a_server_error,status_code_conformance"
PODS = "/(pods|podtemplates|replicationcontrollers)|^/apis/(apps|batch)/"
"""Paths whose bodies hold a pod's spec: their cases by rule are a hundred thousand, so they get random ones alone."""
OF_OTHERS = "/proxy"
"""Paths whose answers are those of pods, services and nodes."""

Document = dict[str, Any]

pytestmark = pytest.mark.timeout(SECONDS + 60)


async def documents(client: Client) -> list[Document]:
    """The OpenAPI document of each group-version that is served."""
    index = msgspec.json.decode(await client.call("GET", "/openapi/v3"))
    answers = [await client.call("GET", each["serverRelativeURL"]) for each in index["paths"].values()]
    return [msgspec.json.decode(answer) for answer in answers]


def shares(found: list[Document], count: int, without: str) -> Iterator[Document]:
    """Merges the documents into so many, of about as many paths; those that match `without` are left out."""
    parts: list[list[Document]] = [[] for _ in range(count)]
    for document in found:
        paths = {path: item for path, item in document["paths"].items() if not re.search(without, path)}
        part = min(parts, key=lambda part: sum(len(each["paths"]) for each in part))
        part.append(document | {"paths": paths})
    for part in parts:
        schemas = {name: schema for each in part for name, schema in each["components"]["schemas"].items()}
        paths = {path: item for each in part for path, item in each["paths"].items()}
        yield part[0] | {"paths": paths, "components": part[0]["components"] | {"schemas": schemas}}


def write(directory: Path, files: dict[str, bytes]) -> None:
    """Make a directory with these files."""
    directory.mkdir()
    for name, content in files.items():
        (directory / name).write_bytes(content)


async def fuzz(directory: Path, reached: access.Access, document: Document, *options: str) -> tuple[int, str]:
    """Run schemathesis; gives how many requests it sent, and what it found."""
    files = {
        "ca.pem": reached.ca,
        "client.pem": reached.certificate + reached.key,
        "openapi.json": msgspec.json.encode(document),
    }
    await asyncio.to_thread(write, directory, files)
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "run", "openapi.json", f"--url={reached.server}"),
        *("--tls-verify=ca.pem", "--request-cert=client.pem", f"--request-timeout={PER_REQUEST}"),
        *(f"--checks={CHECKS}", f"--seed={SEED}", "--generation-deterministic"),
        *("--continue-on-failure", "--no-shrink", "--suppress-health-check=all", "--warnings=off", "--no-color"),
        *options,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "SCHEMATHESIS_HOOKS": "fuzzing"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    sent = re.search(r"(\d+) generated", said)
    assert sent, said
    return int(sent[1]), said if process.returncode else ""


async def test_every_answer_is_documented(kubeconfig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reached = access.load(kubeconfig)
    started = time.monotonic()
    async with Client(reached) as client, asyncio.timeout(SECONDS):
        found = await documents(client)
        (whole,) = shares(found, 1, OF_OTHERS)
        parts = enumerate(shares(found, PROCESSES, f"{PODS}|{OF_OTHERS}"))
        by_rule = (fuzz(tmp_path / f"part-{number}", reached, part, "--phases=coverage") for number, part in parts)
        ran = await asyncio.gather(*by_rule)
        ran.append(await fuzz(tmp_path / "random", reached, whole, "--phases=fuzzing", "--max-examples=2"))
        if found_wrong := "".join(said for _, said in ran):
            pytest.fail(found_wrong)
        sent = sum(count for count, _ in ran)
        with capsys.disabled():
            print(f"\nschemathesis: {sent} requests in {time.monotonic() - started:.0f} s")  # noqa: T201
        assert sent >= AT_LEAST
        assert await client.kind(core_v1.Namespace).get("", "default"), "the server goes on"
