"""Webhooks and an extension API server that run in the cluster: behind a Service, on another port than its own."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from whole_cluster import IMAGE, Cluster, Namespace, Object, container

from master.pki import Pki

SERVER = Path(__file__).parent / "webhook_server.py"
SERVICE = "hooks"
PORT = 8443
LABELS = {"app": SERVICE}
CONFIG_MAP = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}


@dataclass
class Hooks:
    """The server, as a test in a namespace refers to it."""

    ns: Namespace
    home: str
    authority: str

    @property
    def service(self) -> Object:
        """How it is referred to."""
        return {"namespace": self.home, "name": SERVICE, "port": PORT}

    def webhook(self, path: str, name: str = "hook", **fields: Any) -> Object:
        """A webhook at that path, by default about the ConfigMaps of the test's namespace."""
        return {
            "name": f"{name}.example.com",
            "clientConfig": {"service": {**self.service, "path": path}, "caBundle": self.authority},
            "rules": [CONFIG_MAP],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.ns.name}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            **fields,
        }

    def configuration(self, kind: str, *webhooks: Object, name: str = "", labels: Object | None = None) -> str:
        """Make webhooks known; the configuration as kubectl names it."""
        obj = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": f"{self.ns.name}{name}", "labels": {"of": self.ns.name, **(labels or {})}},
            "webhooks": list(webhooks),
        }
        self.ns.kubectl("create", "-f", "-", stdin=json.dumps(obj))
        return f"{obj['kind']}/{self.ns.name}{name}"

    def validating(self, *webhooks: Object, **more: Any) -> str:
        """See `configuration`."""
        return self.configuration("Validating", *webhooks, **more)

    def mutating(self, *webhooks: Object, **more: Any) -> str:
        """See `configuration`."""
        return self.configuration("Mutating", *webhooks, **more)

    def refusal(self, *arguments: str, stdin: str = "") -> str:
        """Why kubectl fails; empty when it does not."""
        said = self.ns.kubectl(*arguments, stdin=stdin, check=False)
        return said if "rror" in said else ""

    def config_map(self, name: str, *data: str, more: tuple[str, ...] = ()) -> dict[str, str]:
        """Make a ConfigMap; the data that it then has."""
        literals = (f"--from-literal={each}" for each in data or ("a=b",))
        made = self.ns.kubectl("create", "configmap", name, *literals, *more, "-o", "json")
        found: dict[str, str] = json.loads(made)["data"]
        return found


def deployment() -> Object:
    """The server; it runs on this machine's Python."""
    folders = {"/certificates": {"secret": {"secretName": SERVICE}}, "/script": {"configMap": {"name": SERVICE}}}
    for folder in {"/usr", "/lib", "/lib64", sys.base_prefix}:
        if Path(folder).exists():
            folders[folder] = {"hostPath": {"path": folder}}
    names = {folder: f"v{number}" for number, folder in enumerate(folders)}
    python = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    made = container("c")
    made |= {
        "command": [python, "/script/server.py", "/certificates/tls.crt", "/certificates/tls.key"],
        "env": [{"name": "IMAGE", "value": IMAGE}],
        "ports": [{"name": "https", "containerPort": 8444}],
        "readinessProbe": {"tcpSocket": {"port": "https"}, "periodSeconds": 1},
        "volumeMounts": [{"name": name, "mountPath": folder, "readOnly": True} for folder, name in names.items()],
    }
    volumes = [{"name": name, **folders[folder]} for folder, name in names.items()]
    spec = {"terminationGracePeriodSeconds": 1, "containers": [made], "volumes": volumes}
    template = {"metadata": {"labels": LABELS}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SERVICE},
        "spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template},
    }


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The server: its namespace, and the authority that vouches for it."""
    ns = Namespace(cluster, "webhook-server")
    cluster.kubectl("create", "namespace", ns.name)
    pki = Pki.open(tmp_path_factory.mktemp("pki"))
    pair = pki.issue_server([f"{SERVICE}.{ns.name}.svc"])
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SERVICE}, "type": "kubernetes.io/tls"}
    secret["stringData"] = {"tls.crt": pair.certificate.decode(), "tls.key": pair.key.decode()}
    ports = [{"port": PORT, "targetPort": "https"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": SERVICE}}
    ns.config_map(SERVICE, **{"server.py": SERVER.read_text()})
    ns.apply(secret, deployment(), {**service, "spec": {"selector": LABELS, "ports": ports}})
    ns.rolled_out(SERVICE)
    yield ns.name, base64.b64encode(pki.ca_pem).decode()
    cluster.kubectl("delete", "namespace", ns.name, "--wait=false")


@pytest.fixture
def hooks(ns: Namespace, server: tuple[str, str]) -> Iterator[Hooks]:
    """The server, for a test in its namespace; what is made known of it goes with the test."""
    yield Hooks(ns, *server)
    of = f"of={ns.name}"
    ns.kubectl("delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations,crd,apiservices", "-l", of)


def test_what_is_refused(hooks: Hooks) -> None:
    """Creations, updates, patches and deletions; unless the namespace is spared, or the server is too slow."""
    ns = hooks.ns
    pods = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    both = [CONFIG_MAP, pods, {**pods, "operations": ["CONNECT"], "resources": ["pods/attach"]}]
    ns.pod("bad-to-attach")
    ns.pod("attached", stdin=True)
    ns.ready("bad-to-attach")
    configuration = hooks.validating(hooks.webhook("/deny", rules=both))
    refused = 'admission webhook "hook.example.com" denied the request: it is bad\n'

    assert hooks.refusal("create", "cm", "c", "--from-literal=bad=1").endswith(refused)
    assert "it is bad" in hooks.refusal("run", "p", f"--image={IMAGE}", "--labels=bad=1")
    assert hooks.config_map("good") == {"a": "b"}
    assert "it is bad" in hooks.refusal("patch", "cm", "good", "--type=merge", "-p", '{"data": {"bad": "1"}}')
    changed = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "good"}, "data": {"bad": "1"}})
    assert "it is bad" in hooks.refusal("replace", "-f", "-", stdin=changed)
    assert ns.get("configmaps", "good")["data"] == {"a": "b"}  # type: ignore[index]
    assert "denied the request: no attach" in hooks.refusal("attach", "bad-to-attach")
    assert not hooks.refusal("create", "cm", "c", "--from-literal=bad=1", "-n", "default", "--dry-run=server")

    only_updates = [{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["UPDATE"]}]
    ns.kubectl("patch", configuration, "--type=json", "-p", json.dumps(only_updates))
    assert hooks.config_map("c", "bad=1") == {"bad": "1"}
    ns.kubectl("patch", configuration, "--type=json", "-p", json.dumps([{**only_updates[0], "value": ["*"]}]))
    assert "it is bad" in hooks.refusal("create", "cm", "d", "--from-literal=bad=1")
    assert "it is bad" in hooks.refusal("delete", "cm", "c")


@pytest.mark.parametrize(("seconds", "policy", "fails"), [(1, "Fail", True), (1, "Ignore", False), (10, "Fail", False)])
def test_slow_webhooks(hooks: Hooks, seconds: int, policy: str, fails: bool) -> None:
    hooks.validating(hooks.webhook("/slow", timeoutSeconds=seconds, failurePolicy=policy))
    began = time.monotonic()
    refusal = hooks.refusal("create", "cm", "c", "--from-literal=a=b")
    assert time.monotonic() - began >= min(seconds, 2)
    url = f"https://{SERVICE}.{hooks.home}.svc:{PORT}/slow?timeout={seconds}s"
    called = f'failed calling webhook "hook.example.com": failed to call webhook: Post "{url}"'
    words = f"Internal error occurred: {called}: context deadline exceeded\n"
    assert refusal == (f"error: failed to create configmap: {words}" if fails else "")


def test_webhooks_that_cannot_be_called(hooks: Hooks) -> None:
    """Without a CA the server is nobody: what would be asked about is refused; unless the policy says otherwise."""
    unknown = hooks.webhook("/allow")
    del unknown["clientConfig"]["caBundle"]
    configuration = hooks.validating(unknown)
    assert "tls: failed to verify certificate: x509: certificate signed by unknown authority" in hooks.refusal(
        "create", "cm", "c", "--from-literal=a=b"
    )
    ignore = [{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]
    hooks.ns.kubectl("patch", configuration, "--type=json", "-p", json.dumps(ignore))
    assert hooks.config_map("c") == {"a": "b"}


def test_configurations_are_in_force_as_long_as_there_are(hooks: Hooks) -> None:
    """All of ten change an object, in the order of their names; deleted as a collection none does."""
    made = [f"-{number}" for number in range(10)]
    for name in made:
        hooks.mutating(hooks.webhook(f"/patch/any/k{name}"), name=name)
    hooks.mutating(hooks.webhook("/patch/k-9/last", "z"), hooks.webhook("/patch/last/too-late", "a"), name="-z")
    found = hooks.ns.kubectl("get", "mutatingwebhookconfigurations", "-l", f"of={hooks.ns.name}", "-o", "name")
    assert len(found.split()) == 11
    webhook = "webhook"
    assert hooks.config_map("c") == {"a": "b", "last": webhook, "too-late": webhook, **{f"k{n}": webhook for n in made}}
    hooks.ns.kubectl("delete", "mutatingwebhookconfigurations", "-l", f"of={hooks.ns.name}")
    assert hooks.config_map("d") == {"a": "b"}


def test_what_a_webhook_puts_in_has_defaults(hooks: Hooks) -> None:
    pods = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    hooks.mutating(hooks.webhook("/init", rules=[pods]))
    [added] = hooks.ns.pod("p")["spec"]["initContainers"]
    assert (added["terminationMessagePolicy"], added["imagePullPolicy"]) == ("File", "IfNotPresent")
    hooks.ns.ready("p")


def test_nobody_is_asked_about_configurations(hooks: Hooks) -> None:
    own = {"operations": ["*"], "apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["*"], "resources": ["*"]}
    for make in (hooks.validating, hooks.mutating):
        make(hooks.webhook("/deny", rules=[own], namespaceSelector={}), name="-guard")
    for make in (hooks.validating, hooks.mutating):
        hooks.ns.kubectl("delete", make(hooks.webhook("/deny"), labels={"bad": "1"}))


def definition(name: str, hooks: Hooks, storage: str = "v1", **more: Any) -> Object:
    """A definition of two versions."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    versions = [
        {"name": each, "served": True, "storage": each == storage, "schema": {"openAPIV3Schema": schema}, **more}
        for each in ("v1", "v2")
    ]
    group = f"{hooks.ns.name}.example.com"
    names = {"plural": name, "singular": name[:-1], "kind": name[:-1].capitalize(), "listKind": f"{name}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}.{group}", "labels": {"of": hooks.ns.name}},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions},
    }


def establish(hooks: Hooks, definition: Object) -> None:
    """Make a definition known, or change it, and wait until it is served."""
    hooks.ns.apply(definition)
    hooks.ns.kubectl("wait", "--for=condition=Established", f"crd/{definition['metadata']['name']}")


def custom(hooks: Hooks, definition: Object, name: str, version: str = "v1", **content: Any) -> str:
    """An object of a definition, as JSON."""
    spec = definition["spec"]
    head = {"apiVersion": f"{spec['group']}/{version}", "kind": spec["names"]["kind"]}
    return json.dumps({**head, "metadata": {"name": name}, **content})


def test_custom_resources_and_their_definitions_are_guarded(hooks: Hooks) -> None:
    crd = definition("things", hooks)
    group = crd["spec"]["group"]
    rules = [
        {"operations": ["*"], "apiGroups": [group], "apiVersions": ["*"], "resources": ["things"]},
        {"operations": ["CREATE"], "apiGroups": ["apiextensions.k8s.io"], "apiVersions": ["*"], "resources": ["*"]},
    ]
    establish(hooks, crd)
    selector = {"matchExpressions": [{"key": "bad", "operator": "Exists"}]}
    hooks.validating(hooks.webhook("/deny", rules=rules, namespaceSelector={}, objectSelector=selector))
    bad = json.loads(custom(hooks, crd, "t"))
    bad["metadata"]["labels"] = {"bad": "1"}
    assert "it is bad" in hooks.refusal("create", "-f", "-", stdin=json.dumps(bad))
    hooks.ns.kubectl("create", "-f", "-", stdin=custom(hooks, crd, "t"))
    resource = f"things.v1.{group}"
    assert "it is bad" in hooks.refusal("label", resource, "t", "bad=1")
    hooks.ns.kubectl("delete", resource, "t")
    other = definition("others", hooks)
    other["metadata"]["labels"]["bad"] = "1"
    assert "it is bad" in hooks.refusal("create", "-f", "-", stdin=json.dumps(other))


def test_custom_resources_are_changed_and_pruned(hooks: Hooks) -> None:
    """Also when the version that is stored is another than it was."""
    crd = definition("things", hooks)
    rule = {"operations": ["CREATE", "UPDATE"], "apiGroups": [crd["spec"]["group"]], "apiVersions": ["v1"]}
    data = {"type": "object", "properties": {name: {"type": "string"} for name in ("a", "kept", "more")}}
    for version in crd["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = {"type": "object", "properties": {"data": data}}
    establish(hooks, crd)
    hooks.mutating(hooks.webhook("/patch/a/kept/unknown", rules=[{**rule, "resources": ["things"]}]))
    hooks.ns.kubectl("create", "-f", "-", stdin=custom(hooks, crd, "t", data={"a": "b"}))
    things = f"things.v1.{crd['spec']['group']}"

    def shown() -> Object:
        found: Object = json.loads(hooks.ns.kubectl("get", things, "t", "-o", "json"))["data"]
        return found

    assert shown() == {"a": "b", "kept": "webhook"}
    for version in crd["spec"]["versions"]:
        version["storage"] = not version["storage"]
    establish(hooks, crd)
    hooks.ns.kubectl("patch", things, "t", "--type=merge", "-p", '{"data": {"more": "c"}}')
    assert shown() == {"a": "b", "kept": "webhook", "more": "c"}


def test_conversion(hooks: Hooks) -> None:
    """Of objects that were stored as different versions; selected by a field that each version has as its own."""
    crd = definition("ends", hooks)
    v1, v2 = crd["spec"]["versions"]
    v1 |= {"selectableFields": [{"jsonPath": ".hostPort"}]}
    v2 |= {"selectableFields": [{"jsonPath": ".host"}]}
    for version, fields in ((v1, ("hostPort",)), (v2, ("host", "port"))):
        properties = {name: {"type": "string"} for name in fields}
        version["schema"]["openAPIV3Schema"] = {"type": "object", "properties": properties}
    config = {"service": {**hooks.service, "path": "/convert"}, "caBundle": hooks.authority}
    webhook = {"clientConfig": config, "conversionReviewVersions": ["v1"]}
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    establish(hooks, crd)
    hooks.ns.kubectl("create", "-f", "-", stdin=custom(hooks, crd, "one", hostPort="here:1"))
    v1["storage"], v2["storage"] = False, True
    establish(hooks, crd)
    hooks.ns.kubectl("create", "-f", "-", stdin=custom(hooks, crd, "two", "v2", host="there", port="2"))

    def listed(version: str, fields: str, *selector: str) -> list[str]:
        names = f"jsonpath={{range .items[*]}}{{.metadata.name}} {fields}{{'\\n'}}{{end}}"
        return hooks.ns.kubectl("get", f"ends.{version}.{crd['spec']['group']}", "-o", names, *selector).splitlines()

    assert listed("v2", "{.host} {.port}") == ["one here 1", "two there 2"]
    assert listed("v1", "{.hostPort}") == ["one here:1", "two there:2"]
    assert listed("v2", "{.host}", "--field-selector=host=here") == ["one here"]
    assert listed("v1", "{.hostPort}", "--field-selector=hostPort=there:2") == ["two there:2"]


def test_an_extension_api_server(hooks: Hooks) -> None:
    name = "v1.extended.example.com"
    spec = {"group": "extended.example.com", "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 200}
    head = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    metadata = {"name": name, "labels": {"of": hooks.ns.name}}
    service = {"service": hooks.service, "caBundle": hooks.authority}
    hooks.ns.apply({**head, "metadata": metadata, "spec": {**spec, **service}})
    hooks.ns.kubectl("wait", "--for=condition=Available", f"apiservice/{name}")
    assert hooks.ns.kubectl("get", "--raw", "/apis/extended.example.com/v1/things").count('"Thing"') == 1
    assert hooks.ns.kubectl("get", "things", "-o", "name") == "thing.extended.example.com/t\n"
    hooks.ns.kubectl("delete", "apiservice", name)
    assert "could not find the requested resource" in hooks.refusal("get", "--raw", "/apis/extended.example.com/v1")
