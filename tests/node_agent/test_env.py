"""Environment, expansion and field references."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.env import EnvContext, command_line, environment
from node_agent.expansion import expand
from node_agent.fieldrefs import FieldError, NodeFacts, field_value, format_map, resource_value
from node_agent.runtimes.base import RuntimeFailure
from timonel.api import codec
from timonel.api.types import core_v1, node_v1

NODE = NodeFacts("node-1", ["10.0.0.1", "fd00::1"], {"cpu": 4000, "memory": 1 << 30})


class Refs:
    """One ConfigMap, one Secret, two Services."""

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        data = {"COLOUR": "red", "bad key": "x", "=no": "x"}
        return core_v1.ConfigMap(data=data) if (namespace, name) == ("default", "settings") else None

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        data = {"PASSWORD": base64.b64encode(b"hunter2").decode()}
        return core_v1.Secret(data=data) if name == "keys" else None

    def runtime_class(self, name: str) -> node_v1.RuntimeClass | None:
        return None

    def services(self, namespace: str) -> list[core_v1.Service]:
        ports = [{"name": "http-web", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
        services = [
            {"metadata": {"name": "my-db"}, "spec": {"clusterIP": "10.96.0.9", "ports": ports}},
            {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}},
            {"metadata": {"name": "headless"}, "spec": {"clusterIP": "None", "ports": ports}},
        ]
        return [codec.convert(core_v1.Service, s) for s in services]


def env_of(build: Any, container: dict[str, Any], **spec: Any) -> dict[str, str]:
    pod = build.pod(container, **spec)
    pod.metadata.annotations = {"note": "a b"}
    context = EnvContext(pod, Refs(), NODE, ["10.1.0.2"])
    return environment(context, pod.spec.containers[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NONE)", "$(NONE)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("x$(A)$(B)y", "x1 2y"),
        ("$()", "$()"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": " 2"}) == expected


@given(st.text())
def test_a_doubled_text_comes_back(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == text


def test_values_expand_what_came_before(build: Any) -> None:
    env = env_of(
        build, {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2 $(C)"}, {"name": "C", "value": "3"}]}
    )
    assert (env["A"], env["B"]) == ("1", "12 $(C)")


def test_values_of_every_source(build: Any) -> None:
    def at(name: str, **source: Any) -> dict[str, Any]:
        return {"name": name, "valueFrom": source}

    env = env_of(
        build,
        {
            "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}, "prefix": "MY_"}],
            "env": [
                at("NOTE", fieldRef={"fieldPath": "metadata.annotations['note']"}),
                at("IPS", fieldRef={"fieldPath": "status.hostIPs"}),
                at("LIMIT", resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"}),
                at("KEY", configMapKeyRef={"name": "settings", "key": "COLOUR"}),
                at("SECRET", secretKeyRef={"name": "keys", "key": "PASSWORD"}),
                at("ABSENT", secretKeyRef={"name": "none", "key": "x", "optional": True}),
                at("ALSO_ABSENT", configMapKeyRef={"name": "settings", "key": "x", "optional": True}),
            ],
        },
    )
    assert {k: env[k] for k in ("COLOUR", "MY_PASSWORD", "NOTE", "IPS", "LIMIT", "KEY", "SECRET")} == {
        "COLOUR": "red",
        "MY_PASSWORD": "hunter2",
        "NOTE": "a b",
        "IPS": "10.0.0.1,fd00::1",
        "LIMIT": "1024",
        "KEY": "red",
        "SECRET": "hunter2",
    }
    assert not {"ABSENT", "ALSO_ABSENT", "=no"} & env.keys()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"secretKeyRef": {"name": "none", "key": "x"}}, 'secret "none" not found'),
        ({"secretKeyRef": {"name": "keys", "key": "x"}}, "couldn't find key x in Secret default/keys"),
        ({"configMapKeyRef": {"name": "settings", "key": "x"}}, "couldn't find key x in ConfigMap default/settings"),
        ({"fieldRef": {"fieldPath": "spec.nope"}}, "unsupported fieldPath: spec.nope"),
    ],
)
def test_what_is_missing_is_told_as_the_kubelet_does(build: Any, source: dict[str, Any], words: str) -> None:
    with pytest.raises(RuntimeFailure) as raised:
        env_of(build, {"env": [{"name": "X", "valueFrom": source}]})
    assert (raised.value.reason, raised.value.message) == ("CreateContainerConfigError", words)


def test_services_are_linked_unless_the_pod_says_no(build: Any) -> None:
    env = env_of(build, {})
    assert env["MY_DB_SERVICE_HOST"] == "10.96.0.9"
    assert env["MY_DB_SERVICE_PORT"] == env["MY_DB_SERVICE_PORT_HTTP_WEB"] == "80"
    assert env["MY_DB_PORT_53_UDP"] == "udp://10.96.0.9:53"
    assert not any(k.startswith("HEADLESS") for k in env)
    alone = env_of(build, {}, enableServiceLinks=False)
    assert set(alone) == {k for k in env if k.startswith("KUBERNETES_")}
    assert (alone["KUBERNETES_SERVICE_HOST"], alone["KUBERNETES_SERVICE_PORT"]) == ("10.96.0.1", "443")


def test_commands_are_expanded_and_none_keeps_the_image_s() -> None:
    assert command_line([], {}) is None
    assert command_line(["run", "$(A)"], {"A": "x"}) == ["run", "x"]


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.cpu", None, "1"),
        ("limits.cpu", "1m", "500"),
        ("requests.cpu", "1m", "250"),
        ("requests.memory", "1Ki", "65536"),
        ("limits.memory", "0", "1073741824"),
        ("requests.ephemeral-storage", None, "0"),
    ],
)
def test_resources_are_divided_and_rounded_up(build: Any, resource: str, divisor: str | None, expected: str) -> None:
    resources = {"limits": {"cpu": "500m"}, "requests": {"cpu": "250m", "memory": "64Mi"}}
    container = build.pod({"resources": resources}).spec.containers[0]
    assert resource_value(container, resource, divisor, NODE) == expected


def test_unknown_resources_are_refused(build: Any) -> None:
    with pytest.raises(FieldError):
        resource_value(build.pod().spec.containers[0], "limits.gpu", None, NODE)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "web"),
        ("metadata.uid", "uid-web"),
        ("metadata.labels['app']", "x"),
        ("metadata.annotations['none']", ""),
        ("metadata.labels", 'app="x"'),
        ("spec.nodeName", "node-1"),
        ("status.hostIP", "10.0.0.1"),
        ("status.podIPs", "10.1.0.2"),
    ],
)
def test_fields(build: Any, path: str, expected: str) -> None:
    pod = build.pod()
    pod.metadata.labels = {"app": "x"}
    assert field_value(pod, path, ["10.1.0.2"], NODE) == expected


def test_maps_are_quoted_as_go_does() -> None:
    assert format_map({"b": 'x"\\\n\té\x01', "a": ""}) == 'a=""\nb="x\\"\\\\\\n\\té\\x01"'
