"""What only Go can show: an operator written with controller-runtime, and how Kubernetes' own code reads protobuf."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client as official
from kubernetes import config
from random_objects import KINDS, made

from master.apiserver.protobuf import decode, encode
from timonel.api import codec, scheme
from timonel.api.gvk import GVK

SOURCES = Path(__file__).with_name("go")
BUILD_SECONDS = 400
BOATS = ("go.example.com", "v1", "default", "boats")
DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.go.example.com"},
    "spec": {
        "group": "go.example.com",
        "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {"type": "object", "properties": {"sails": {"type": "integer"}}},
                            "status": {"type": "object", "properties": {"set": {"type": "integer"}}},
                        },
                    }
                },
            }
        ],
    },
}

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 120)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled program; its first build takes a minute or two, later ones seconds."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go toolchain on this machine")
    fetched = subprocess.run(["go", "mod", "download"], cwd=SOURCES, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"the Go modules cannot be had: {fetched.stderr.strip()[-300:]}")
    target = tmp_path_factory.mktemp("go") / "program"
    built = subprocess.run(
        ["go", "build", "-buildvcs=false", "-o", str(target), "."],
        cwd=SOURCES,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return target


def test_kubernetes_reads_and_writes_the_same_protobuf(program: Path) -> None:
    objects = [made(gvk, seed) for gvk in KINDS for seed in (10, 11)]
    samples = [{"JSON": obj, "Protobuf": _text(encode.from_json(json.dumps(obj).encode()))} for obj in objects]
    given = "".join(json.dumps(sample) for sample in samples).encode()
    ran = subprocess.run([program, "protobuf"], input=given, capture_output=True, timeout=60, check=True)
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(answers) == len(objects)
    known = [answer for answer in answers if answer["FromJSON"] or answer["Error"]]
    assert len(known) > 0.9 * len(answers), "Go knows few of the kinds"
    for answer in known:
        assert not answer["Error"]
        assert answer["FromProtobuf"] == answer["FromJSON"]
        struct = scheme.lookup(GVK.parse(answer["FromJSON"]["apiVersion"], answer["FromJSON"]["kind"]))
        assert struct is not None
        ours = codec.decode(struct, decode.to_json(base64.b64decode(answer["Protobuf"])))
        assert codec.to_dict(ours) == codec.to_dict(codec.convert(struct, answer["FromJSON"]))


@pytest.fixture
async def api(kubeconfig: Path) -> AsyncIterator[official.ApiClient]:
    """The official client, once boats are served."""
    opened = await asyncio.to_thread(config.new_client_from_config, str(kubeconfig))
    definitions = official.ApiextensionsV1Api(opened)
    await asyncio.to_thread(definitions.create_custom_resource_definition, DEFINITION)
    yield opened
    opened.close()


@pytest.fixture
async def operator(program: Path, kubeconfig: Path, api: official.ApiClient, tmp_path: Path) -> AsyncIterator[Path]:
    """A running operator; gives its log."""
    log = tmp_path / "operator.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program, "operator", env={**os.environ, "KUBECONFIG": str(kubeconfig)}, stdout=output, stderr=output
        )
    yield log
    if process.returncode is None:
        process.terminate()
    await process.wait()


def told(log: Path) -> str:
    """What the operator said last."""
    return log.read_text()[-3000:]


async def test_a_boat_s_life(api: official.ApiClient, operator: Path, eventually: Any) -> None:
    boats, core = official.CustomObjectsApi(api), official.CoreV1Api(api)

    async def logs() -> dict[str, dict[str, str]]:
        listed = await asyncio.to_thread(core.list_namespaced_config_map, "default")
        return {each.metadata.name: each.data or {} for each in listed.items}

    async def reach(holds: Any) -> None:
        try:
            await eventually(holds)
        except TimeoutError:
            pytest.fail(told(operator))

    async def created() -> bool:
        body = {
            "apiVersion": "go.example.com/v1",
            "kind": "Boat",
            "metadata": {"name": "ark"},
            "spec": {"sails": 2},
        }
        try:
            await asyncio.to_thread(boats.create_namespaced_custom_object, *BOATS, body)
        except official.ApiException as error:
            if error.status == 404:  # the definition is not established yet
                return False
            raise
        return True

    async def rigged(sails: int) -> bool:
        boat = await asyncio.to_thread(boats.get_namespaced_custom_object, *BOATS, "ark")
        return (await logs()).get("ark") == {"sails": str(sails)} and boat.get("status") == {"set": sails}

    await reach(created)
    await reach(lambda: rigged(2))
    lease = await asyncio.to_thread(
        official.CoordinationV1Api(api).read_namespaced_lease, "boats.go.example.com", "default"
    )
    assert lease.spec.holder_identity

    await asyncio.to_thread(boats.patch_namespaced_custom_object, *BOATS, "ark", {"spec": {"sails": 5}})
    await reach(lambda: rigged(5))
    await asyncio.to_thread(core.delete_namespaced_config_map, "ark", "default")
    await reach(lambda: rigged(5))

    await asyncio.to_thread(boats.delete_namespaced_custom_object, *BOATS, "ark")

    async def moored() -> bool:
        found = await logs()
        return "moored-ark" in found and "ark" not in found

    await reach(moored)
    events = await asyncio.to_thread(core.list_namespaced_event, "default")
    assert {"2 sails", "5 sails"} <= {event.message for event in events.items if event.reason == "Rigged"}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
