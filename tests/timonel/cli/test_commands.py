"""Each command against a whole master, its output compared."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MAIN = "from timonel.cli.main import main; main()"
Timonel = Callable[..., Any]
Web = Callable[..., str]
Wait = Callable[[Callable[[], Any], str], Any]


def table(text: str) -> list[list[str]]:
    """The cells of a printed table."""
    return [re.split(r" {2,}", line.rstrip()) for line in text.splitlines()]


@pytest.fixture
def running(timonel: Timonel, web: Web) -> Callable[..., None]:
    """Applies a Deployment and waits for it."""

    def apply(name: str = "web", **options: Any) -> None:
        ran = timonel("apply", "-f", "-", "--wait", "--timeout", "20s", stdin=web(name, **options))
        assert ran.code == 0, ran.err

    return apply


def pod_names(timonel: Timonel, app: str = "web") -> list[str]:
    return [line.removeprefix("pod/") for line in timonel("get", "pods", "-l", f"app={app}", "-o", "name").out.split()]


# apply and diff


def test_apply_says_what_it_did(timonel: Timonel, web: Web) -> None:
    assert timonel("apply", "-f", "-", stdin=web()).out == "deployment.apps/web created\n"
    assert timonel("apply", "-f", "-", stdin=web()).out == "deployment.apps/web unchanged\n"
    assert timonel("apply", "-f", "-", stdin=web(replicas=2)).out == "deployment.apps/web configured\n"
    found = json.loads(timonel("get", "deploy", "web", "-o", "json", "--show-managed-fields").out)
    assert found["spec"]["replicas"] == 2
    assert "timonel" in {entry["manager"] for entry in found["metadata"]["managedFields"]}


def test_dry_runs_change_nothing(timonel: Timonel, web: Web) -> None:
    for how, said in (("client", "dry run"), ("server", "server dry run")):
        ran = timonel("apply", "-f", "-", f"--dry-run={how}", stdin=web())
        assert (ran.code, ran.out) == (0, f"deployment.apps/web created ({said})\n")
    assert timonel("get", "deploy").err.startswith("No resources found in ")


def test_apply_prints_the_objects_that_were_made_if_asked(timonel: Timonel, web: Web) -> None:
    assert timonel("apply", "-f", "-", "-o", "name", stdin=web()).out == "deployment.apps/web\n"
    ran = timonel("apply", "-f", "-", "-o", "jsonpath={.spec.replicas}", stdin=web())
    assert ran.out == "1"


def test_apply_waits_and_tells_how_far_it_is(timonel: Timonel, web: Web) -> None:
    ran = timonel("apply", "-f", "-", "--wait", stdin=web(replicas=2))
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == 'deployment.apps/web: deployment "web" successfully rolled out'


def test_what_does_not_become_ready_is_told_with_its_reason(timonel: Timonel, web: Web) -> None:
    ran = timonel("apply", "-f", "-", "--wait", "--timeout", "2s", stdin=web(cpu="500"))
    assert ran.code == 1
    assert "timed out; not ready are:\ndeployment.apps/web: Waiting for" in ran.err
    assert "0/2 nodes are available: 2 Insufficient cpu." in ran.err
    assert "0/2 nodes are available: 2 Insufficient cpu." in ran.out


def test_nothing_is_applied_of_manifests_with_faults(timonel: Timonel, web: Web, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(web("one"))
    (tmp_path / "b.yaml").write_text(web("two").replace("replicas:", "replica:"))
    ran = timonel("apply", "-f", str(tmp_path))
    assert (ran.code, ran.out) == (1, "")
    place = f"{tmp_path}/b.yaml, document 1, line 8"
    assert f'{place}: unknown field "spec.replica"; did you mean "replicas"?' in ran.err
    assert timonel("get", "deploy").out == ""
    ran = timonel("apply", "-f", str(tmp_path), "--validate=warn")
    assert (ran.code, ran.out) == (0, "deployment.apps/one created\ndeployment.apps/two created\n")
    assert "Warning: " in ran.err
    assert timonel("apply", "-f", str(tmp_path), "--validate=ignore").err == ""


def test_unknown_kinds_are_refused_with_their_place(timonel: Timonel, web: Web) -> None:
    ran = timonel("apply", "-f", "-", stdin=web().replace("kind: Deployment", "kind: Deploymint"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        'error: stdin, document 1, line 3: no kind "Deploymint" in version "apps/v1"; did you mean "Deployment"?\n'
    )


def test_a_namespace_that_contradicts_the_users_is_refused(timonel: Timonel, web: Web) -> None:
    manifest = web().replace("  name: web\n", "  name: web\n  namespace: other\n", 1)
    ran = timonel("apply", "-f", "-", stdin=manifest)
    assert (ran.code, ran.out) == (1, "")
    assert 'stdin, document 1, line 6: it says "other", but you asked for' in ran.err


def test_what_the_server_refuses_is_told_with_its_place_and_does_not_hold_up_the_rest(
    timonel: Timonel, web: Web
) -> None:
    ran = timonel("apply", "-f", "-", stdin=web("bad", replicas=-1) + "---" + web("good"))
    assert (ran.code, ran.out) == (1, "deployment.apps/good created\n")
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0\n" in ran.err
    assert "in stdin, document 1, line 8\n" in ran.err


def test_conflicts_are_explained_and_can_be_forced(timonel: Timonel, web: Web) -> None:
    timonel("apply", "-f", "-", "--field-manager", "other", stdin=web())
    ran = timonel("apply", "-f", "-", stdin=web(replicas=3))
    assert ran.code == 1
    assert '.spec.replicas: conflict with "other"' in ran.err
    assert "in stdin, document 1, line 8" in ran.err
    assert "--force-conflicts takes them over" in ran.err
    assert timonel("apply", "-f", "-", "--force-conflicts", stdin=web(replicas=3)).code == 0


def test_diff_shows_changes_and_tells_them_by_its_exit_code(
    timonel: Timonel, web: Web, running: Callable[..., None]
) -> None:
    running()
    same = timonel("diff", "-f", "-", stdin=web())
    assert (same.code, same.out) == (0, "")
    ran = timonel("diff", "-f", "-", stdin=web(replicas=2))
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith("--- live/apps.v1.Deployment.")
    assert {"-  replicas: 1", "+  replicas: 2"} <= set(lines)
    new = timonel("diff", "-f", "-", stdin=web("new"))
    assert new.code == 1
    assert "+  name: new" in new.out
    assert timonel("diff", "-f", "/nope").code == 2


# get


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


@pytest.fixture
def watcher(kubeconfig: Path, namespace: str) -> Iterator[Callable[..., Callable[[], str]]]:
    """Starts a command line that does not end by itself; gives what it has printed so far."""
    processes: list[subprocess.Popen[str]] = []

    def read(process: subprocess.Popen[str], lines: list[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)  # noqa: PERF402  # others look at the list while it grows

    def start(*arguments: str) -> Callable[[], str]:
        command = [sys.executable, "-c", MAIN, "--kubeconfig", str(kubeconfig), "-n", namespace, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        lines: list[str] = []
        threading.Thread(target=read, args=(process, lines), daemon=True).start()
        return lambda: "".join(lines)

    yield start
    for process in processes:
        process.terminate()
        process.wait(10)


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


# describe, events, why, top


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


# logs and exec


def test_logs_of_a_pod_and_of_several_at_once(timonel: Timonel, running: Callable[..., None], eventually: Wait) -> None:
    running(replicas=2)
    one, other = pod_names(timonel)
    eventually(lambda: timonel("logs", one).out == "first\nsecond\nthird\n", "the pod's log")
    assert timonel("logs", f"pod/{one}", "--tail", "1").out == "third\n"
    stamped = timonel("logs", one, "--timestamps", "--tail=1").out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z third\n", stamped)
    several = timonel("logs", "deploy/web").out.splitlines()
    assert sorted(several) == sorted(
        f"[pod/{name}/main] {line}" for name in (one, other) for line in ("first", "second", "third")
    )
    assert timonel("logs", "-l", "app=web", "--tail=1", "--no-prefix").out == "third\nthird\n"
    assert timonel("logs", one, "-c", "nope").err.startswith("Error from server (BadRequest): container nope")
    assert timonel("logs", "web-nope").code == 1
    assert timonel("logs", one, "--since", "1h", "--since-time", "2026-01-01T00:00:00Z").code == 1


def test_logs_can_be_followed(
    watcher: Callable[..., Callable[[], str]], timonel: Timonel, running: Callable[..., None], eventually: Wait
) -> None:
    running()
    seen = watcher("logs", "-f", "deploy/web")
    eventually(lambda: "third" in seen(), "the log so far")


@pytest.fixture
def shell(kubeconfig: Path, namespace: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line in a process of its own."""

    def call(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", MAIN, "--kubeconfig", str(kubeconfig), "-n", namespace, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=30)

    return call


def test_exec_passes_streams_and_the_exit_code_on(
    shell: Callable[..., subprocess.CompletedProcess[str]], running: Callable[..., None]
) -> None:
    running()
    ran = shell("exec", "deploy/web", "--", "greet", "you")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "hello you\n", "and goodbye\n")
    ran = shell("exec", "deploy/web", "--", "fail", "7")
    assert (ran.returncode, ran.stderr) == (7, "command terminated with exit code 7\n")
    assert shell("exec", "deploy/web", "-i", "--", "cat", stdin="ahoy\n").stdout == "ahoy\n"
    ran = shell("exec", "deploy/web", "--", "nope")
    assert ran.returncode == 1
    assert "executable file not found" in ran.stderr
    assert shell("exec", "deploy/web").returncode == 1


def test_exec_on_a_terminal_is_raw_and_puts_it_back(
    kubeconfig: Path, namespace: str, running: Callable[..., None]
) -> None:
    import termios

    running()
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-c", MAIN, "--kubeconfig", str(kubeconfig), "-n", namespace]
    process = subprocess.Popen(
        [*command, "exec", "-it", "deploy/web", "--", "greet", "you"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    seen = b""
    deadline = time.monotonic() + 20
    while b"goodbye" not in seen and time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            seen += os.read(ours, 1000)
    assert process.wait(20) == 0
    assert b"hello you" in seen
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)


# changing things


def test_scale(timonel: Timonel, running: Callable[..., None]) -> None:
    running()
    assert timonel("scale", "deploy/web", "--replicas=3").out == "deployment.apps/web scaled\n"
    assert timonel("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}").out == "3"
    ran = timonel("scale", "deploy", "web", "--replicas=1", "--current-replicas=2")
    assert (ran.code, ran.err) == (1, "error: deployment.apps/web: expected 2 replicas, it has 3\n")
    ran = timonel("scale", "deploy", "-l", "app=web", "--replicas=2", "-o", "go-template={{.spec.replicas}}")
    assert (ran.code, ran.out) == (0, "2")
    assert timonel("scale", "deploy/web", "--replicas=9", "--dry-run").out == "deployment.apps/web scaled (dry run)\n"
    assert timonel("scale", "cm/kube-root-ca.crt", "--replicas=1").err == "error: configmaps cannot be scaled\n"


def test_rollouts_are_followed_taken_back_restarted_and_paused(
    timonel: Timonel, web: Web, running: Callable[..., None]
) -> None:
    running(image="app:1")
    timonel("apply", "-f", "-", stdin=web(image="app:2"))
    ran = timonel("rollout", "status", "deploy/web", "--timeout=20s")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[-1] == 'deployment "web" successfully rolled out'
    history = timonel("rollout", "history", "deploy/web").out
    assert history == "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    assert re.search(r"(?m)^      Image:\s+app:1$", timonel("rollout", "history", "deploy/web", "--revision=1").out)
    assert timonel("rollout", "undo", "deploy/web").out == "deployment.apps/web rolled back\n"
    assert timonel("get", "deploy", "web", "-o", "jsonpath={..image}").out == "app:1"
    assert timonel("rollout", "status", "deploy/web", "--timeout=20s").code == 0
    again = timonel("rollout", "undo", "deploy/web", "--to-revision=3").out
    assert again == "deployment.apps/web skipped rollback (current template already matches revision 3)\n"
    ran = timonel("rollout", "undo", "deploy/web", "--to-revision=9")
    assert (ran.code, ran.err) == (1, "error: unable to find specified revision 9 in history\n")
    assert timonel("rollout", "restart", "deploy/web").out == "deployment.apps/web restarted\n"
    assert timonel("rollout", "status", "deploy/web", "--timeout=20s").code == 0
    stamp = timonel("get", "deploy", "web", "-o", "jsonpath={.spec.template.metadata.annotations}").out
    assert stamp.startswith('{"kubectl.kubernetes.io/restartedAt":"20')
    assert timonel("rollout", "pause", "deploy/web").out == "deployment.apps/web paused\n"
    assert timonel("rollout", "pause", "deploy/web").err == 'error: deployments.apps "web" is already paused\n'
    assert "is paused" in timonel("rollout", "undo", "deploy/web").err
    assert timonel("rollout", "resume", "deploy/web").out == "deployment.apps/web resumed\n"


REVISED = """
apiVersion: apps/v1
kind: {kind}
metadata: {{name: db}}
spec:
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec: {{containers: [{{name: main, image: "app:{image}"}}]}}
"""


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
def test_rollouts_of_other_workloads_go_by_their_controller_revisions(timonel: Timonel, kind: str) -> None:
    name = f"{kind.lower()}.apps/db"
    assert timonel("apply", "-f", "-", stdin=REVISED.format(kind=kind, image=2)).code == 0
    workload = json.loads(timonel("get", name, "-o", "json").out)
    for number in (1, 2):
        template = json.loads(json.dumps(workload["spec"]["template"]))
        template["spec"]["containers"][0]["image"] = f"app:{number}"
        revision = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": f"db-by-hand-{number}",
                "annotations": {"kubernetes.io/change-cause": f"cause {number}"},
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": kind,
                        "name": "db",
                        "uid": workload["metadata"]["uid"],
                        "controller": True,
                    }
                ],
            },
            "revision": 100 + number,
            "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        }
        assert timonel("apply", "-f", "-", stdin=json.dumps(revision)).code == 0
    history = timonel("rollout", "history", name).out
    assert history.startswith(f"{name} \nREVISION  CHANGE-CAUSE\n")
    assert "101       cause 1\n102       cause 2\n" in history
    assert re.search(r"(?m)^      Image:\s+app:1$", timonel("rollout", "history", name, "--revision=101").out)
    assert timonel("rollout", "undo", name, "--to-revision=102").out == (
        f"{name} skipped rollback (current template already matches revision 102)\n"
    )
    assert timonel("rollout", "undo", name, "--to-revision=101").out == f"{name} rolled back\n"
    assert timonel("get", name, "-o", "go-template={{(index .spec.template.spec.containers 0).image}}").out == "app:1"
    assert timonel("rollout", "restart", name, "-o", "name").out == f"{name}\n"
    plural = f"{kind.lower()}s.apps"
    assert timonel("rollout", "pause", name).err == f'error: {plural} "db" pausing is not supported\n'


def test_delete_by_name_label_and_manifest_waits_until_it_is_gone(
    timonel: Timonel, namespace: str, web: Web, running: Callable[..., None]
) -> None:
    running("one")
    running("two")
    pod = pod_names(timonel, "one")[0]
    assert timonel("delete", "pod", pod, "--now").out == f'pod "{pod}" deleted\n'
    assert timonel("get", "pod", pod).code == 1
    assert timonel("delete", "deploy", "-l", "app=one").out == 'deployment.apps "one" deleted\n'
    assert timonel("get", "deploy", "one").code == 1
    assert timonel("delete", "-f", "-", "--dry-run=server", stdin=web("two")).out == (
        'deployment.apps "two" deleted (server dry run)\n'
    )
    assert timonel("delete", "-f", "-", "-o", "name", stdin=web("two")).out == "deployment.apps/two\n"
    ran = timonel("delete", "deploy", "nope")
    assert (ran.code, ran.err) == (1, 'Error from server (NotFound): deployments.apps "nope" not found\n')
    assert timonel("delete", "deploy", "nope", "--ignore-not-found").code == 0
    assert timonel("delete", "deploy").code == 1
    assert timonel("delete", "pod", "x", "--all").code == 1
    assert timonel("delete", "pod", "x", "--grace-period=0").code == 1
    assert timonel("delete", "ns", namespace, "--timeout", "20s").out == f'namespace "{namespace}" deleted\n'


def test_delete_can_leave_behind_what_the_object_owns(timonel: Timonel, running: Callable[..., None]) -> None:
    running()
    timonel("delete", "deploy", "web", "--cascade=orphan")
    assert timonel("get", "rs", "-o", "name").out.startswith("replicaset.apps/web-")
    assert timonel("delete", "rs", "--all", "--cascade=foreground", "--timeout=20s").code == 0
    assert timonel("get", "pods").out == ""


def test_nodes_are_cordoned_drained_and_uncordoned(timonel: Timonel, web: Web, running: Callable[..., None]) -> None:
    running(replicas=2)
    assert timonel("cordon", "n1").out == "node/n1 cordoned\n"
    try:
        assert timonel("cordon", "node/n1").out == "node/n1 already cordoned\n"
        assert table(timonel("get", "node", "n1").out)[1][1] == "Ready,SchedulingDisabled"
        ran = timonel("drain", "n1", "--timeout", "30s", "--force", "--delete-emptydir-data")
        assert ran.code == 0, ran.err
        assert ran.out.splitlines()[0] == "node/n1 already cordoned"
        assert ran.out.splitlines()[-1] == "node/n1 drained"
        nodes = timonel("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}").out
        assert set(nodes.split()) <= {"n2"}
    finally:
        assert timonel("uncordon", "n1").out == "node/n1 uncordoned\n"
    assert timonel("cordon").code == 1
    assert 'did you mean "n2"' in timonel("cordon", "n22").err


# waiting and looking


def test_wait_for_conditions_values_presence_and_absence(
    timonel: Timonel, web: Web, running: Callable[..., None]
) -> None:
    running()
    met = "deployment.apps/web condition met\n"
    assert timonel("wait", "deploy/web", "--for=condition=Available").out == met
    assert timonel("wait", "deploy/web", "--for=condition=available=true").out == met
    assert timonel("wait", "deploy/web", "--for=create").out == met
    assert timonel("wait", "deploy", "web", "--for=jsonpath={.spec.replicas}=1").out == met
    assert timonel("wait", "deploy", "--all", "--for=jsonpath={.status.readyReplicas}").out == met
    assert timonel("wait", "-f", "-", "--for=condition=Available", stdin=web()).out == met
    ran = timonel("wait", "deploy/web", "--for=delete", "--timeout=0.2s")
    assert (ran.code, ran.err) == (1, "error: timed out waiting for the condition on deployments.apps/web\n")
    assert timonel("wait", "deploy/web", "--for=condition=Available=False", "--timeout=0").code == 1
    assert timonel("wait", "deploy/nope", "--for=condition=Available").err.startswith("Error from server (NotFound)")
    assert timonel("wait", "deploy/nope", "--for=delete").code == 0
    assert timonel("wait", "deploy/web", "--for=nonsense").code == 1
    assert timonel("wait", "pod", "-l", "app=none", "--for=create").err == "error: no matching resources found\n"


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
