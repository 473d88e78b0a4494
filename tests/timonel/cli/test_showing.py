"""Objects are shown: get with its watches, describe, events, why, top, api-resources."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Callable

import pytest
from command_line import Timonel, Wait, Web, pod_names, table


def test_get_prints_the_servers_tables(timonel: Timonel, running: Callable[..., None]) -> None:
    running(replicas=2)
    rows = table(timonel("get", "deploy").out)
    assert rows[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert rows[1][:4] == ["web", "2/2", "2", "2"]
    wide = table(timonel("get", "pods", "-o", "wide").out)
    assert wide[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE", "READINESS GATES"]
    assert {row[6] for row in wide[1:]} == {"n1", "n2"}
    assert table(timonel("get", "pods", "--no-headers").out)[0][1] == "1/1"
    labels = table(timonel("get", "pods", "--show-labels").out)
    assert labels[0][-1] == "LABELS"
    assert labels[1][-1].startswith("app=web,pod-template-hash=")
    assert table(timonel("get", "pods", "-L", "app").out)[1][-1] == "web"


def test_get_takes_kinds_by_every_word_and_several_at_once(timonel: Timonel, running: Callable[..., None]) -> None:
    running()
    outputs = {
        timonel("get", word, "web", "-o", "name").out
        for word in ("deploy", "deployment", "deployments", "Deployment", "deployments.apps", "deployments.v1.apps")
    }
    assert outputs == {"deployment.apps/web\n"}
    several = timonel("get", "deploy,rs,cm").out.split("\n\n")
    assert [block.split("\n")[0].split()[0] for block in several] == ["NAME"] * 3
    assert several[0].split("\n")[1].startswith("deployment.apps/web ")
    everything = timonel("get", "all", "-o", "name").out.split()
    assert [name.split("/")[0] for name in everything] == ["pod", "deployment.apps", "replicaset.apps"]
    assert timonel("get", "deploy/web", "cm/kube-root-ca.crt", "-o", "name").out == (
        "deployment.apps/web\nconfigmap/kube-root-ca.crt\n"
    )


def test_get_selects_by_labels_and_fields_and_in_all_namespaces(
    timonel: Timonel, namespace: str, running: Callable[..., None]
) -> None:
    running("web")
    running("db")
    name = pod_names(timonel, "db")[0]
    assert timonel("get", "pods", "-l", "app in (db)", "-o", "name").out == f"pod/{name}\n"
    assert timonel("get", "pods", "--field-selector", f"metadata.name={name}", "-o", "name").out == f"pod/{name}\n"
    rows = table(timonel("get", "pods", "-A").out)
    assert rows[0][:2] == ["NAMESPACE", "NAME"]
    assert [namespace, name] in [row[:2] for row in rows]
    assert timonel("get", "pod", name, "-A").code == 1
    # Pages do not show in what is printed.
    pages = timonel("get", "pods", "-A", "--chunk-size", "1", "-o", "name").out
    assert pages == timonel("get", "pods", "-A", "--chunk-size", "0", "-o", "name").out


def test_get_prints_objects_by_forms(timonel: Timonel, running: Callable[..., None]) -> None:
    running(replicas=2)
    one = timonel("get", "deploy", "web", "-o", "yaml").out
    assert one.startswith("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n")
    assert "managedFields" not in one
    several = json.loads(timonel("get", "pods", "-o", "json").out)
    assert (several["kind"], several["apiVersion"], len(several["items"])) == ("List", "v1", 2)
    assert {item["kind"] for item in several["items"]} == {"Pod"}
    names = pod_names(timonel)
    assert timonel("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").out.split(" ") == names
    columns = timonel("get", "pods", "--sort-by", ".metadata.name", "-o", "custom-columns=N:.metadata.name").out
    assert columns.split() == ["N", *sorted(names)]
    by_node = table(timonel("get", "pods", "--sort-by", "{.spec.nodeName}", "-o", "wide").out)
    assert [row[6] for row in by_node[1:]] == ["n1", "n2"]


def test_get_tells_what_is_not_there(timonel: Timonel, namespace: str, running: Callable[..., None]) -> None:
    ran = timonel("get", "pods")
    assert (ran.code, ran.out, ran.err) == (0, "", f"No resources found in {namespace} namespace.\n")
    running()
    ran = timonel("get", "deploy", "web", "wbe")
    assert ran.code == 1
    assert table(ran.out)[1][0] == "web"
    assert ran.err == ('Error from server (NotFound): deployments.apps "wbe" not found\n  did you mean "web"?\n')
    assert timonel("get", "deploy", "wbe", "--ignore-not-found").code == 0
    ran = timonel("get", "deploymnts")
    assert (ran.code, ran.err) == (
        1,
        'error: the server has no resource type "deploymnts"; did you mean "deployments"?\n',
    )
    assert timonel("get", "pods", "-o", "nope").code == 1
    assert timonel("get", "pods", "-l", "a=(").err.startswith("Error from server (BadRequest): ")


def test_a_watch_shows_what_is_there_and_each_change(
    timonel: Timonel, watcher: Callable[..., Callable[[], str]], web: Web, eventually: Wait
) -> None:
    timonel("apply", "-f", "-", stdin=web())
    rows = watcher("get", "deploy", "-w")
    eventually(lambda: "web" in rows(), "the first rows")
    timonel("apply", "-f", "-", stdin=web("second"))
    eventually(lambda: "second" in rows(), "the change")
    assert rows().count("NAME ") == 1


@pytest.mark.parametrize(
    ("form", "first", "then"),
    [
        ("", r"EVENT +NAME .*\nADDED +web ", r"\nDELETED +web "),
        ("template={{.type}} {{.object.kind}};", "ADDED D", "DELETED D"),
    ],
)
def test_a_watch_can_say_what_each_change_is(
    timonel: Timonel,
    watcher: Callable[..., Callable[[], str]],
    web: Web,
    eventually: Wait,
    form: str,
    first: str,
    then: str,
) -> None:
    timonel("apply", "-f", "-", stdin=web(replicas=0))
    said = watcher("get", "deploy", "web", "-w", "--output-watch-events", "-o", form)
    eventually(lambda: re.match(first, said()), "the first rows")
    timonel("delete", "deploy", "web", "--no-wait")
    eventually(lambda: re.search(then, said()), "the deletion")


def test_get_shows_what_manifests_name(timonel: Timonel, web: Web) -> None:
    timonel("apply", "-f", "-", stdin=web("one", replicas=0) + "---" + web("two", replicas=0))
    manifests = web("one") + "---" + web("two")
    assert timonel("get", "-f", "-", "-o", "name", stdin=manifests).out == "deployment.apps/one\ndeployment.apps/two\n"
    assert [row[0] for row in table(timonel("get", "-f", "-", stdin=manifests).out)] == ["NAME", "one", "two"]
    assert timonel("get", "pods", "-f", "-", stdin=manifests).code == 1


def test_a_watch_can_leave_out_what_is_there(
    timonel: Timonel, watcher: Callable[..., Callable[[], str]], eventually: Wait
) -> None:
    config_map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {}}}\ndata: {{k: '{}'}}\n".format
    timonel("apply", "-f", "-", stdin=config_map("old", 1))
    names = watcher("get", "cm", "--watch-only", "-o", "name")
    values = itertools.count(1)

    def change() -> str:
        timonel("apply", "-f", "-", stdin=config_map("new", next(values)))
        return names()

    eventually(change, "a change that the watch sees")
    assert set(names().split()) == {"configmap/new"}


def test_describe_tells_of_a_pod_with_its_events(timonel: Timonel, running: Callable[..., None]) -> None:
    running()
    name = pod_names(timonel)[0]
    text = timonel("describe", "pod", name).out
    for part in (
        rf"(?m)^Name:\s+{name}$",
        r"(?m)^Node:\s+n[12]/127\.0\.0\.1$",
        r"(?m)^Labels:\s+app=web$",
        r"(?m)^Controlled By:\s+ReplicaSet/web-",
        r"(?m)^    Image:\s+app:1$",
        r"(?m)^    State:\s+Running$",
        r"(?m)^      cpu:\s+10m$",
        r"(?m)^  Ready\s+True$",
        r"(?m)^QoS Class:\s+Burstable$",
        r"(?m)^  Normal\s+Scheduled\s+\S+\s+default-scheduler\s+Successfully assigned",
    ):
        assert re.search(part, text), f"{part} is not in\n{text}"
    assert "Events:" not in timonel("describe", "pod", name, "--no-show-events").out


def test_describe_tells_of_workloads_services_and_nodes(timonel: Timonel, running: Callable[..., None]) -> None:
    running(replicas=2)
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        "spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n"
    )
    timonel("apply", "-f", "-", stdin=service)
    deployment = timonel("describe", "deploy", "web").out
    assert re.search(r"(?m)^Replicas:\s+2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$", deployment)
    assert re.search(r"(?m)^NewReplicaSet:\s+web-\w+ \(2/2 replicas created\)$", deployment)
    assert re.search(r"(?m)^  Normal\s+ScalingReplicaSet", deployment)
    described = timonel("describe", "svc", "web").out
    assert re.search(r"(?m)^Port:\s+http\s+80/TCP$", described)
    assert re.search(r"(?m)^TargetPort:\s+8080/TCP$", described)
    sets = timonel("describe", "rs", "-l", "app=web").out
    assert re.search(r"(?m)^Pods Status:\s+2 Running / 0 Waiting / 0 Succeeded / 0 Failed$", sets)
    node = timonel("describe", "node", "n1").out
    assert re.search(r"(?m)^  Ready\s+True\s", node)
    assert re.search(r"(?m)^  InternalIP:\s+127\.0\.0\.1$", node)
    assert "web-" in node


def test_describe_never_shows_secrets_and_shows_other_kinds_by_their_fields(timonel: Timonel, namespace: str) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: sail-away}\n"
    timonel("apply", "-f", "-", stdin=secret)
    text = timonel("describe", "secret", "s").out
    assert re.search(r"(?m)^password:\s+9 bytes$", text)
    assert "sail" not in text
    assert "c2FpbC" not in text
    timonel(
        "apply", "-f", "-", stdin="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {k: 'one\n\n  two'}\n"
    )
    assert "k:\n----\none\ntwo\n" in timonel("describe", "cm", "c").out
    account = timonel("describe", "sa", "default").out
    assert re.search(r"(?m)^Kind:\s+ServiceAccount$", account)
    assert re.search(rf"(?m)^Namespace:\s+{namespace}$", account)
    assert timonel("describe", "pods").err == f"No resources found in {namespace} namespace.\n"


def test_events_of_one_object_and_of_one_type(timonel: Timonel, namespace: str, running: Callable[..., None]) -> None:
    running()
    name = pod_names(timonel)[0]
    rows = table(timonel("events", "--for", f"pod/{name}").out)
    assert rows[0] == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert {row[3] for row in rows[1:]} == {f"Pod/{name}"}
    assert "Scheduled" in {row[2] for row in rows[1:]}
    ran = timonel("events", "--types", "Warning")
    assert (ran.code, ran.err) == (0, f"No events found in {namespace} namespace.\n")
    assert table(timonel("events", "-A").out)[0][0] == "NAMESPACE"


def test_why_explains_a_placement_node_by_node(
    timonel: Timonel, web: Web, running: Callable[..., None], eventually: Wait
) -> None:
    running()
    name = pod_names(timonel)[0]
    node = timonel("get", "pod", name, "-o", "jsonpath={.spec.nodeName}").out
    lines = timonel("why", f"pod/{name}").out.splitlines()
    assert lines[0] == f"pod/{name} runs on {node}; as things are now, 2 of 2 nodes could take it:"
    rows = {line.split()[0]: line for line in lines[2:]}
    assert set(rows) == {"n1", "n2"}
    assert rows[node].split()[1:3] == ["*", "yes"]
    timonel("apply", "-f", "-", stdin=web("big", cpu="500"))
    big = eventually(lambda: pod_names(timonel, "big"), "the big pod")[0]
    lines = timonel("why", big).out.splitlines()
    assert lines[0] == f"pod/{big} is not placed: none of 2 nodes can take it:"
    assert all(line.split()[1:] == ["no", "-", "Insufficient", "cpu"] for line in lines[2:])
    assert timonel("why", "svc/web").err.startswith("error: ")


def test_top_shows_usage(timonel: Timonel, running: Callable[..., None], eventually: Wait) -> None:
    running()
    eventually(lambda: timonel("top", "pods").out, "a sample of the pod")
    rows = table(timonel("top", "pod", "--containers").out)
    assert rows[0] == ["POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert rows[1][:2] + rows[1][3:] == [pod_names(timonel)[0], "main", "8Mi"]
    assert re.fullmatch(r"(9|1\d)m", rows[1][2])  # 10m, give or take the clock's turns between samples
    nodes = table(timonel("top", "nodes", "--sort-by", "cpu").out)
    assert nodes[0] == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    assert {row[0] for row in nodes[1:]} == {"n1", "n2"}


def test_api_resources(timonel: Timonel) -> None:
    rows = table(timonel("api-resources").out)
    assert rows[0] == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in rows
    assert ["nodes", "no", "v1", "false", "Node"] in rows
    names = timonel("api-resources", "--api-group=apps", "-o", "name").out.split()
    assert {"deployments.apps", "replicasets.apps"} <= set(names)
    assert "pods" not in timonel("api-resources", "--namespaced=false", "-o", "name").out.split()


def test_what_is_asked_of_the_server_is_told_if_wanted(
    shell: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    assert "GET /api/v1/nodes" in shell("get", "nodes", "-v").stderr
    assert shell("get", "nodes").stderr == ""
