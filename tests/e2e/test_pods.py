"""Pods as containers: what a container finds, and what becomes of it."""

from __future__ import annotations

import time

from whole_cluster import Namespace, Object, container, state, wait_for, waiting


def test_a_pod_runs_and_ends(ns: Namespace) -> None:
    ns.pod("p", "echo hello; cat /etc/image; exit 0", restartPolicy="Never")
    pod = ns.ended("p")
    assert ns.logs("p").splitlines()[0] == "hello"
    assert "busybox:1.35.0" in ns.logs("p")
    ended = state(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert pod["status"]["qosClass"] == "BestEffort"


def test_environment(ns: Namespace) -> None:
    ns.config_map("settings", colour="blue", **{"not.a.name": "x"})
    ns.secret("login", password="sesame")
    env = [
        {"name": "PLAIN", "value": "a"},
        {"name": "COMPOSED", "value": "$(PLAIN)-$(COLOUR)-$$(PLAIN)-$(NOBODY)"},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "LATE", "value": "$(PLAIN)-$(COLOUR)-$$(PLAIN)-$(NOBODY)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "no", "optional": True}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "MILLIS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    ns.pod(
        "p",
        labels={"app": "web"},
        command=["sh", "-c", 'env; echo "args=$0"; sleep 1000', "$(PLAIN) $(COLOUR)"],
        env=env,
        envFrom=[{"prefix": "CM_", "configMapRef": {"name": "settings"}}, {"secretRef": {"name": "login"}}],
        resources={"limits": {"cpu": "250m", "memory": "64Mi"}},
    )
    pod = ns.ready("p")
    found = dict(line.split("=", 1) for line in ns.logs("p").splitlines() if "=" in line)
    assert found["COMPOSED"] == "a-$(COLOUR)-$(PLAIN)-$(NOBODY)", "a variable refers to those before it only"
    assert found["LATE"] == "a-blue-$(PLAIN)-$(NOBODY)"
    assert (found["PASSWORD"], found["password"], found["CM_colour"]) == ("sesame", "sesame", "blue")
    assert "ABSENT" not in found
    assert (found["POD"], found["LABEL"], found["NODE"]) == ("p", "web", pod["spec"]["nodeName"])
    assert found["IP"] == pod["status"]["podIP"]
    assert (found["MILLIS"], found["MEMORY"]) == ("250", "64")
    assert found["args"] == "a blue"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"


def test_environment_from_a_file(ns: Namespace) -> None:
    ref = {"volumeName": "config", "path": "shop/env", "key": "ADDRESS"}
    mount = {"name": "config", "mountPath": "/data"}
    script = """mkdir /data/shop; printf "# of the shop\\nADDRESS='over the\\nhill'\\n" > /data/shop/env"""
    env = [
        {"name": "ADDRESS", "valueFrom": {"fileKeyRef": ref}},
        {"name": "ABSENT", "valueFrom": {"fileKeyRef": {**ref, "key": "NO", "optional": True}}},
    ]
    volumes = {"volumes": [{"name": "config", "emptyDir": {}}]}
    ns.pod("p", env=env, initContainers=[container("write", script, volumeMounts=[mount])], **volumes)
    ns.ready("p")
    assert ns.exec("p", 'echo "$ADDRESS${ABSENT-, absent}"') == "over the\nhill, absent\n"
    ns.pod("wrong", env=[{"name": "A", "valueFrom": {"fileKeyRef": ref}}], **volumes)
    pod = ns.wait_pod("wrong", lambda pod: waiting(pod) == "CreateContainerConfigError")
    assert "couldn't find key ADDRESS in file shop/env" in state(pod)["state"]["waiting"]["message"]


def test_a_missing_key_holds_the_container_back_until_it_is_there(ns: Namespace) -> None:
    ns.pod("p", env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}])

    def refused(pod: Object) -> bool:
        return waiting(pod) == "CreateContainerConfigError" and "late" in state(pod)["state"]["waiting"]["message"]

    ns.wait_pod("p", refused)
    ns.config_map("late", a="1")
    ns.ready("p")
    assert ns.exec("p", "echo $A") == "1\n"


def test_init_containers_run_in_order_and_sidecars_beside(ns: Namespace) -> None:
    mount = {"volumeMounts": [{"name": "log", "mountPath": "/log"}]}
    side = "echo side >> /log/all; trap 'echo side-ends >> /host/ends; exit 0' TERM; while :; do sleep 0.1; done"
    ends = [{"name": "ends", "mountPath": "/host"}]
    main = "echo main >> /log/all; trap 'echo main-ends >> /host/ends; exit 0' TERM; while :; do sleep 0.1; done"
    folder = ns.host.directory / "ends" / ns.name
    sidecar = container("side", side, restartPolicy="Always", volumeMounts=mount["volumeMounts"] + ends)
    ns.pod(
        "p",
        main,
        volumeMounts=mount["volumeMounts"] + ends,
        initContainers=[
            container("one", "sleep 0.3; echo one >> /log/all", **mount),
            sidecar,
            container("two", "echo two >> /log/all", **mount),
        ],
        volumes=[
            {"name": "log", "emptyDir": {}},
            {"name": "ends", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}},
        ],
        terminationGracePeriodSeconds=5,
    )
    pod = ns.ready("p")
    assert ns.exec("p", "cat /log/all").split() == ["one", "side", "two", "main"]
    assert state(pod, "one", "initContainerStatuses")["state"]["terminated"]["reason"] == "Completed"
    assert "running" in state(pod, "side", "initContainerStatuses")["state"]
    ns.delete("pods", "p")
    ns.gone("p")
    assert (folder / "ends").read_text().split() == ["main-ends", "side-ends"], "sidecars are stopped last"


def test_a_failing_init_container_ends_or_repeats(ns: Namespace) -> None:
    ns.pod("never", "true", restartPolicy="Never", initContainers=[container("i", "exit 3")])
    ns.pod("always", "true", initContainers=[container("i", "exit 3")])
    failed = ns.ended("never", "Failed")
    assert state(failed, "i", "initContainerStatuses")["state"]["terminated"]["exitCode"] == 3
    assert "waiting" in state(failed)["state"]
    ns.wait_pod("always", lambda p: state(p, "i", "initContainerStatuses")["restartCount"] >= 1)


def test_termination_messages(ns: Namespace) -> None:
    spec = {"restartPolicy": "Never"}
    ns.pod("file", "printf why > /dev/termination-log; exit 1", **spec)
    ns.pod("own", "printf why > /tmp/end; exit 1", terminationMessagePath="/tmp/end", **spec)
    ns.pod("logs", "echo from the log; exit 1", terminationMessagePolicy="FallbackToLogsOnError", **spec)
    ns.pod("none", "echo from the log; exit 1", **spec)
    messages = {name: state(ns.ended(name, "Failed"))["state"]["terminated"].get("message") for name in
                ("file", "own", "logs", "none")}  # fmt: skip
    assert messages == {"file": "why", "own": "why", "logs": "from the log\n", "none": None}


def test_grace_period(ns: Namespace) -> None:
    ns.pod("deaf", "trap '' TERM; while :; do sleep 0.1; done", terminationGracePeriodSeconds=2)
    ns.pod("polite", terminationGracePeriodSeconds=30)
    ns.ready("deaf")
    ns.ready("polite")
    began = time.monotonic()
    ns.delete("pods", "deaf")
    ns.delete("pods", "polite")
    ns.gone("polite", 5)
    ns.gone("deaf", 10)
    assert time.monotonic() - began >= 2, "the grace period was not given"


def test_the_deadline_of_a_pod(ns: Namespace) -> None:
    ns.pod("p", activeDeadlineSeconds=1)
    pod = ns.ended("p", "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"


def test_images_that_may_not_or_cannot_be_pulled(ns: Namespace) -> None:
    ns.pod("never", image="nobody.example/none:1", imagePullPolicy="Never")
    ns.pod("always", imagePullPolicy="Always")
    ns.pod("wrong", image="Not A Name")

    ns.wait_pod("never", lambda pod: waiting(pod) == "ErrImageNeverPull")
    ns.wait_pod("always", lambda pod: waiting(pod) == "ErrImagePull")
    ns.wait_pod("wrong", lambda pod: waiting(pod) == "InvalidImageName")
    pod = ns.wait_pod("always", lambda pod: waiting(pod) == "ImagePullBackOff")
    assert "busybox" in state(pod)["state"]["waiting"]["message"]


def test_memory_over_the_limit_is_oom_killed(ns: Namespace) -> None:
    ns.pod("p", "x=$(yes | head -c 100000000)", resources={"limits": {"memory": "20Mi"}}, restartPolicy="Never")
    ended = state(ns.ended("p", "Failed"))["state"]["terminated"]
    assert ended["reason"] == "OOMKilled"


def test_top(ns: Namespace) -> None:
    ns.pod("busy", "while :; do :; done", resources={"limits": {"cpu": "200m"}})
    ns.ready("busy")

    def used() -> bool:
        lines = ns.kubectl("top", "pods", "--no-headers", check=False).split()
        return len(lines) == 3 and lines[0] == "busy" and 100 <= int(lines[1].removesuffix("m")) <= 260

    wait_for(used, 40, "kubectl top shows what the pod uses")
    assert "node-1" in ns.kubectl("top", "nodes")
