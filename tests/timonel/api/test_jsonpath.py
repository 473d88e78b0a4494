"""kubectl's JSONPath: the documented examples, the corners, and the answers of kubectl itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from timonel.api.jsonpath import JsonPathError, find, parse, relaxed, render

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "p",
        "namespace": "default",
        "creationTimestamp": None,
        "labels": {"a": "b", "kubernetes.io/os": "linux"},
    },
    "spec": {
        "containers": [
            {
                "name": "one",
                "image": "i1",
                "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 90}],
                "resources": {},
            },
            {"name": "two", "image": "i2", "tty": True, "resources": {}},
        ],
        "terminationGracePeriodSeconds": 30,
    },
    "status": {
        "conditions": [
            {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": None},
            {"type": "Init", "status": "False", "lastProbeTime": None, "lastTransitionTime": None},
        ]
    },
}

PRINTED = {
    "{.metadata.name}": "p",
    ".metadata.name": ".metadata.name",
    "x{.metadata.name}y": "xpy",
    "{@.metadata.name} {$.metadata.name} { .metadata.name }": "p p p",
    "{.spec.containers[*].name}": "one two",
    "{.spec.containers[*]['name']}": "one two",
    "{.spec.containers[0].name} {.spec.containers[-1].name}": "one two",
    "{.spec.containers[0,1].name}": "one two",
    "{.spec.containers[0:1].name}": "one",
    "{.spec.containers[-2:].name}": "one two",
    "{.spec.containers[:1].name}": "one",
    "{.spec.containers[0:2:2].name}": "one",
    "{.metadata['name','namespace']}": "p default",
    "{.metadata.labels}": '{"a":"b","kubernetes.io/os":"linux"}',
    r"{.metadata.labels.kubernetes\.io/os}": "linux",
    r"{.metadata.labels['kubernetes\.io/os']}": "linux",
    "{..name}": "p one http two",
    "{..containerPort}": "80 90",
    "{.*.name}": "p",
    '{.spec.containers[?(@.name=="two")].image}': "i2",
    '{.spec.containers[?(@.name!="two")].image}': "i1",
    "{.status.conditions[?(@.type=='Ready')].status}": "True",
    "{.spec.containers[?(@.tty)].name}": "two",
    "{.spec.containers[?(@.tty==true)].name}": "two",
    "{.spec.containers[*].ports[?(@.containerPort>80)].containerPort}": "90",
    "{.spec.containers[*].ports[?(@.containerPort<=80)].containerPort}": "80",
    '{.spec.containers[?(@.ports[0].name=="http")].name}': "one",
    '{range .spec.containers[*]}{.name}{"\\t"}{.image}{"\\n"}{end}': "one\ti1\ntwo\ti2\n",
    "{range .spec.containers[*]}{.name}{'\\n'}{end}": "one\ntwo\n",
    "{range .spec.containers[*]}[{.name}: {range .ports[*]}{.containerPort} {end}]{end}": "[one: 80 90 ][two: ]",
    "{range .spec.containers[*]}{@.name}{$.image},{end}": "onei1,twoi2,",
    "{range .spec.containers[*]}{.name}": "onetwo",
    "{.spec.terminationGracePeriodSeconds}": "30",
    "{.spec.containers[1].tty}": "true",
    "{.status.conditions[0].lastProbeTime}": "null",
    "{.nope}": "",
    "{.nope.more[*]}": "",
    "{true}{12}{'x'}": "true12x",
}

REFUSED = {
    "{.spec.containers[5].name}": "index 5, length 2",
    "{.metadata.name": "unclosed action",
    "{foo}": "unrecognized identifier foo",
    "{.spec.containers[a]}": "invalid array index a",
    "{.spec.containers[0}": "unterminated array",
    "{.spec.containers[-]}": "invalid array index -",
    "{.spec.containers[0:1:0]}": "must not be zero",
    "{1 [x}": "unrecognized character '1'",
    "{.spec" + "[?(@" * 200 + ")]" * 200 + "}": "nest deeper than 50 levels",
    "{" + ".." * 40 + "}": "more than 100000 values",
    "{\n}": "unrecognized character",
    "{end}": "nothing to end",
    "{[0]}": "is no list",
    '{.metadata[?(@.a=="b")]}': "cannot be filtered",
    '{.spec.containers[?(@.name=~"x")].name}': "unrecognized filter operator",
    '{.spec.containers[?(@.name=="one"||@.name=="two")].name}': "more than a string",
    "{.spec.containers[?(@.name>3)].name}": "cannot compare",
}


@pytest.mark.parametrize(("template", "printed"), PRINTED.items())
def test_a_template_prints(template: str, printed: str) -> None:
    assert render(parse(template), POD) == printed


@pytest.mark.parametrize(("template", "why"), REFUSED.items())
def test_a_template_is_refused(template: str, why: str) -> None:
    with pytest.raises(JsonPathError, match=why.replace("[", r"\[")):
        render(parse(template), POD)


@pytest.mark.kubectl(min="1.32")  # older ones print null otherwise
async def test_kubectl_prints_the_same(tmp_path: Path) -> None:
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(POD))

    async def kubectl(template: str) -> tuple[int, str]:
        # `label --local` prints an object of ours by any template, without a server.
        process = await asyncio.create_subprocess_exec(
            *("kubectl", "label", "--local", "--overwrite", "-f", str(file), "a=b", "-o", f"jsonpath={template}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    for template, printed in PRINTED.items():
        assert await kubectl(template) == (0, printed), template
    for template in REFUSED:
        assert (await kubectl(template))[0] != 0, template


@pytest.mark.parametrize("text", ["{.metadata.name}", ".metadata.name", "metadata.name", "{metadata.name}"])
def test_columns_and_sorting_take_paths_with_or_without_braces_and_dot(text: str) -> None:
    assert find(relaxed(text), POD) == ["p"]


def test_half_a_brace_is_refused() -> None:
    with pytest.raises(JsonPathError, match="unexpected path string"):
        relaxed("{.metadata.name")
