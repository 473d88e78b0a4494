"""Webhooks that judge objects, and those that answer badly or not at all."""

import asyncio
import re
import socket
from typing import Any

import pytest
from aiohttp import web

from master.registry.webhookcalls import MAX_ANSWER
from timonel.api.errors import Forbidden, InternalError, Invalid, StatusError
from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import core_v1

DEADLINE = 10.0


def deny(message: str, code: int = 0) -> Any:
    return lambda _: {"allowed": False, "status": {"message": message, "code": code}}


async def test_a_denial_is_the_answer_and_nothing_is_written(
    api: Any, hooks: Any, validating: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/v"] = deny("no such thing", 403)
    await validating(hooks.webhook("/v"))
    with pytest.raises(StatusError) as refused:
        await api.create(core_v1.ConfigMap, config_map)
    assert refused.value.message == 'admission webhook "v.example.com" denied the request: no such thing'
    assert refused.value.code == 403
    assert "m" not in await api.names(core_v1.ConfigMap)


async def test_deletions_can_be_denied(api: Any, hooks: Any, validating: Any, config_map: dict[str, Any]) -> None:
    await api.create(core_v1.ConfigMap, config_map)
    hooks.says["/v"] = deny("it stays")
    await validating(hooks.webhook("/v", rules=[{**hooks.webhook()["rules"][0], "operations": ["DELETE"]}]))
    with pytest.raises(StatusError, match="it stays"):
        await api.delete(core_v1.ConfigMap, "m")
    await api.merge(core_v1.ConfigMap, "m", {"data": {"a": "c"}})


async def test_all_are_asked_at_once_and_the_first_by_order_is_told(
    api: Any, hooks: Any, validating: Any, config_map: dict[str, Any]
) -> None:
    hooks.says |= {"/a": deny("a"), "/b": deny("b")}
    await validating(hooks.webhook("/a"), hooks.webhook("/b"))
    with pytest.raises(StatusError, match="denied the request: a"):
        await api.create(core_v1.ConfigMap, config_map)
    assert sorted(set(hooks.paths())) == ["/a", "/b"]


async def test_it_sees_what_mutating_webhooks_have_made(
    api: Any, hooks: Any, validating: Any, mutating: Any, patch: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/m"] = patch({"op": "add", "path": "/data/x", "value": "y"})
    await mutating(hooks.webhook("/m"))
    await validating(hooks.webhook("/v"))
    await api.create(core_v1.ConfigMap, config_map)
    assert [asked["object"]["data"] for _, asked in hooks.asked] == [{"a": "b"}, {"a": "b", "x": "y"}]


async def test_selectors(api: Any, hooks: Any, validating: Any) -> None:
    await api.create(core_v1.Namespace, {"metadata": {"name": "guarded", "labels": {"guard": "on"}}}, "")
    hooks.says |= {"/ns": deny("ns"), "/obj": deny("obj")}
    await validating(
        hooks.webhook("/ns", namespaceSelector={"matchLabels": {"guard": "on"}}),
        hooks.webhook("/obj", objectSelector={"matchLabels": {"app": "web"}}),
    )
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "a"}})
    with pytest.raises(StatusError, match="denied the request: obj"):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "b", "labels": {"app": "web"}}})
    with pytest.raises(StatusError, match="denied the request: ns"):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "c"}}, "guarded")


async def test_match_conditions(api: Any, hooks: Any, validating: Any) -> None:
    hooks.says["/v"] = deny("caught")
    expression = "request.userInfo.username == 'system:admin' && object.metadata.name.startsWith('x')"
    await validating(hooks.webhook("/v", matchConditions=[{"name": "names", "expression": expression}]))
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "a"}})
    with pytest.raises(StatusError, match="caught"):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "x"}})


async def test_a_condition_without_a_value_is_a_failure(api: Any, hooks: Any, validating: Any) -> None:
    missing = {"name": "missing", "expression": "object.data.nothing == 'x'"}
    no = {"name": "no", "expression": "object.metadata.name != 'passed'"}
    await validating(hooks.webhook("/v", matchConditions=[missing, no]))
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "passed"}})
    with pytest.raises(Forbidden, match="resulted in error: no such key: "):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "a"}})
    assert not hooks.asked


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("object.", "compilation failed: ERROR: "),
        ("namespaceObject.metadata.name == 'x'", "undeclared reference to 'namespaceObject'"),
        ("'text'", "must evaluate to bool"),
    ],
)
async def test_conditions_that_cannot_work_are_refused(hooks: Any, validating: Any, expression: str, why: str) -> None:
    with pytest.raises(Invalid, match=re.escape(why)) as refused:
        await validating(hooks.webhook("/v", matchConditions=[{"name": "c", "expression": expression}]))
    assert refused.value.causes[0].field == "webhooks[0].matchConditions[0].expression"


async def test_webhooks_cannot_keep_their_configurations(api: Any, hooks: Any, validating: Any) -> None:
    hooks.says["/v"] = deny("never")
    rule = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
    await validating(hooks.webhook("/v", rules=[rule]))
    await api.delete(v1.ValidatingWebhookConfiguration, "hooks", "")
    assert not hooks.asked


def gone(_: Any) -> web.Response:
    return web.Response(status=302, headers={"Location": "/elsewhere"})


BAD = {
    "garbage": (lambda _: web.Response(body=b"<html>"), "json parse error"),
    "a list": (lambda _: web.json_response([1, 2]), "json parse error"),
    "nothing": (lambda _: web.Response(body=b""), "json parse error"),
    "no response": (lambda _: web.json_response({}), "webhook response was absent"),
    "another's uid": (lambda _: {"uid": "other", "allowed": True}, "expected response.uid="),
    "an error": (
        lambda _: web.Response(status=500, text="boom"),
        "the server responded with the status code 500: boom",
    ),
    "a redirect": (gone, "status code 302"),
    "a patch": (lambda _: {"allowed": True, "patch": "W10="}, "may not return response.patch"),
    "compressed": (lambda _: web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "json parse error"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_answers_are_failures_and_fall_under_the_policy(
    api: Any, hooks: Any, validating: Any, case: str, config_map: dict[str, Any]
) -> None:
    says, why = BAD[case]
    hooks.says |= {"/v": says, "/i": says}
    await validating(hooks.webhook("/i", failurePolicy="Ignore"), name="a")
    await api.create(core_v1.ConfigMap, config_map)
    await validating(hooks.webhook("/v"), name="b")
    with pytest.raises(InternalError) as refused:
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "n"}})
    assert refused.value.message.startswith('Internal error occurred: failed calling webhook "v.example.com": ')
    assert why in refused.value.message
    assert "/elsewhere" not in hooks.paths()


async def test_a_huge_answer_is_not_read_to_its_end(
    api: Any, hooks: Any, validating: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/v"] = lambda _: web.Response(body=b" " * (MAX_ANSWER + 1))
    await validating(hooks.webhook("/v"))
    with pytest.raises(InternalError, match=f"more than {MAX_ANSWER} bytes"):
        await api.create(core_v1.ConfigMap, config_map)


async def test_a_webhook_that_hangs_is_left_after_its_time(
    api: Any, hooks: Any, validating: Any, config_map: dict[str, Any]
) -> None:
    hooks.says["/v"] = lambda _: None
    await validating(hooks.webhook("/v", timeoutSeconds=1))
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(InternalError, match="context deadline exceeded"):
            await api.create(core_v1.ConfigMap, config_map)


async def test_a_webhook_that_is_not_there(api: Any, hooks: Any, validating: Any, config_map: dict[str, Any]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{bound.getsockname()[1]}/"
        absent = {"url": url, "caBundle": hooks.authority}
        await validating(hooks.webhook("/a", clientConfig=absent, failurePolicy="Ignore"), name="a")
        await api.create(core_v1.ConfigMap, config_map)
        await validating(hooks.webhook("/b", clientConfig=absent), name="b")
        with pytest.raises(
            InternalError, match=r'failed calling webhook "b\.example\.com": failed to call webhook: Post'
        ):
            await api.create(core_v1.ConfigMap, {"metadata": {"name": "n"}})


async def test_a_server_that_the_bundle_does_not_vouch_for(
    api: Any, hooks: Any, validating: Any, config_map: dict[str, Any]
) -> None:
    config = {"url": f"https://127.0.0.1:{hooks.port}/"}
    await validating(hooks.webhook("/v", clientConfig=config))
    with pytest.raises(InternalError, match=r"(?i)certificate"):
        await api.create(core_v1.ConfigMap, config_map)
    assert not hooks.asked


async def test_connections_are_kept(api: Any, hooks: Any, validating: Any) -> None:
    await validating(hooks.webhook("/v"))
    for name in ("a", "b", "c"):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": name}})
    assert len(hooks.asked) == 3
    assert len(hooks.peers) == 1
