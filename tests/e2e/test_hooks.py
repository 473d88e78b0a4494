"""Lifecycle hooks: when they run, and what becomes of a container whose hook fails."""

from __future__ import annotations

from whole_cluster import Namespace, state

ASKED = """#!/bin/sh
echo "$QUERY_STRING" >> /tmp/asked
printf 'Content-Type: text/plain\\n\\n'
"""
"""A CGI program that notes what it is asked."""


def test_pre_stop_runs_before_the_end_and_post_start_at_the_begin(ns: Namespace) -> None:
    folder = ns.host.directory / "hooks" / ns.name
    hook = {"exec": {"command": ["sh", "-c", "echo pre >> /host/log; sleep 0.3"]}}
    ns.pod(
        "p",
        "trap 'echo term >> /host/log; exit 0' TERM; while :; do sleep 0.1; done",
        lifecycle={"preStop": hook, "postStart": {"exec": {"command": ["sh", "-c", "echo post >> /host/log"]}}},
        volumeMounts=[{"name": "host", "mountPath": "/host"}],
        volumes=[{"name": "host", "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"}}],
        terminationGracePeriodSeconds=10,
    )
    ns.ready("p")
    assert (folder / "log").read_text().split() == ["post"]
    ns.delete("pods", "p")
    ns.gone("p")
    assert (folder / "log").read_text().split() == ["post", "pre", "term"]


def test_a_failing_post_start_hook_restarts_the_container(ns: Namespace) -> None:
    ns.pod("p", lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "exit 7"]}}})
    ns.wait_event("FailedPostStartHook")
    ns.wait_pod("p", lambda pod: state(pod)["restartCount"] >= 1)


def test_hooks_by_http(ns: Namespace) -> None:
    ns.config_map("cgi", note=ASKED)
    ns.pod(
        "asked",
        "exec httpd -f -p 8080 -h /w",
        volumeMounts=[{"name": "cgi", "mountPath": "/w/cgi-bin"}],
        volumes=[{"name": "cgi", "configMap": {"name": "cgi", "defaultMode": 0o755}}],
        readinessProbe={"httpGet": {"path": "/cgi-bin/note?probe", "port": 8080}, "periodSeconds": 1},
    )
    host = ns.ready("asked")["status"]["podIP"]

    def get(what: str) -> dict[str, object]:
        return {"httpGet": {"host": host, "port": 8080, "path": f"/cgi-bin/note?{what}"}}

    ns.pod("p", lifecycle={"postStart": get("started"), "preStop": get("stopping")})
    ns.ready("p")
    asked = ns.exec("asked", "cat /tmp/asked").split()
    assert ("started" in asked, "stopping" in asked) == (True, False)
    ns.delete("pods", "p")
    ns.gone("p")
    assert [word for word in ns.exec("asked", "cat /tmp/asked").split() if word != "probe"] == ["started", "stopping"]


def test_failing_hooks_by_http(ns: Namespace) -> None:
    nowhere = {"httpGet": {"port": 9, "path": "/"}}
    ns.pod("begins", lifecycle={"postStart": nowhere})
    event = ns.wait_event("FailedPostStartHook", "connection refused")
    assert event["involvedObject"]["fieldPath"] == "spec.containers{c}"
    ns.wait_pod("begins", lambda pod: state(pod)["restartCount"] >= 1)
    ns.pod("ends", lifecycle={"preStop": nowhere})
    ns.ready("ends")
    ns.delete("pods", "ends")
    ns.wait_event("FailedPreStopHook", "connection refused")
    ns.gone("ends")


def test_hooks_by_tcp_are_refused_when_they_run(ns: Namespace) -> None:
    """As in Kubernetes, which keeps the field for old manifests only."""
    ns.pod("p", lifecycle={"postStart": {"tcpSocket": {"port": 8080}}})
    ns.wait_event("FailedPostStartHook", "invalid handler")
