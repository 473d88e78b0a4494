"""Volumes of every kind, as containers find them."""

from __future__ import annotations

import json
import ssl
from typing import Any
from urllib import error, request

from whole_cluster import Namespace, Object, container, wait_for


def mount(name: str, path: str, **more: Any) -> Object:
    return {"name": name, "mountPath": path, **more}


def test_empty_dirs_are_shared_and_end_with_the_pod(ns: Namespace) -> None:
    volumes = [
        {"name": "disk", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
    ]
    mounts = [mount("disk", "/disk"), mount("memory", "/memory")]
    ns.pod(
        "p",
        volumes=volumes,
        containers=[
            container("c", "sleep 1000", volumeMounts=mounts),
            container("d", "echo hello > /disk/file; sleep 1000", volumeMounts=mounts),
        ],
    )
    pod = ns.ready("p")
    assert ns.exec("p", "cat /disk/file") == "hello\n"
    shown = ns.exec("p", "grep ' /memory ' /proc/mounts").split()
    assert shown[2] == "tmpfs"
    assert "size=8192k" in shown[3]
    assert "No space left" in ns.exec("p", "dd if=/dev/zero of=/memory/big bs=1M count=9 2>&1 || true")
    folders = list((ns.cluster.root / "nodes").glob(f"*/pods/{pod['metadata']['uid']}"))
    assert folders
    ns.delete("pods", "p", grace=1)
    ns.gone("p")
    assert not folders[0].exists()


def test_config_maps_and_secrets_as_files_follow_their_changes(ns: Namespace) -> None:
    ns.config_map("settings", colour="blue", shape="round")
    ns.secret("login", password="sesame")
    ns.pod(
        "p",
        "sleep 1000",
        volumeMounts=[
            mount("all", "/all"),
            mount("some", "/some"),
            mount("login", "/login"),
            mount("all", "/one/colour", subPath="colour"),
            mount("absent", "/absent"),
        ],
        volumes=[
            {"name": "all", "configMap": {"name": "settings"}},
            {
                "name": "some",
                "configMap": {"name": "settings", "items": [{"key": "shape", "path": "deep/form", "mode": 0o400}]},
            },
            {"name": "login", "secret": {"secretName": "login", "defaultMode": 0o440}},
            {"name": "absent", "configMap": {"name": "nobody", "optional": True}},
        ],
    )
    ns.ready("p")
    look = "cat /all/colour /all/shape; echo; ls /some /absent; cat /some/deep/form /login/password /one/colour"
    assert ns.exec("p", look).split() == ["blueround", "/absent:", "/some:", "deep", "roundsesameblue"]
    modes = ns.exec("p", "stat -L -c %a /some/deep/form /login/password; stat -f -c %T /login").split()
    assert modes == ["400", "440", "tmpfs"]
    assert "Read-only" in ns.exec("p", "echo no 2>&1 >/all/colour || true")
    ns.patch("configmaps", "settings", {"data": {"colour": "red", "size": "7"}})
    ns.patch("secrets", "login", {"stringData": {"password": "changed"}})
    wait_for(lambda: ns.exec("p", "cat /all/colour /all/size 2>/dev/null || true") == "red7", 30, "the files follow")
    wait_for(lambda: ns.exec("p", "cat /login/password") == "changed", 30, "the secret's file follows")
    assert ns.exec("p", "cat /one/colour") == "blue", "a subPath does not follow"


def test_a_missing_config_map_is_waited_for(ns: Namespace) -> None:
    ns.pod("p", volumeMounts=[mount("v", "/v")], volumes=[{"name": "v", "configMap": {"name": "late"}}])
    ns.wait_event("FailedMount", 'configmap "late" not found')
    ns.config_map("late", a="1")
    ns.ready("p")


def test_the_downward_api_follows_labels(ns: Namespace) -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {
            "path": "memory",
            "resourceFieldRef": {"containerName": "c", "resource": "limits.memory", "divisor": "1Mi"},
        },
    ]
    ns.pod(
        "p",
        "sleep 1000",
        labels={"app": "web"},
        resources={"limits": {"memory": "32Mi"}},
        volumeMounts=[mount("info", "/info")],
        volumes=[{"name": "info", "downwardAPI": {"items": items}}],
    )
    ns.ready("p")
    assert ns.exec("p", "cat /info/labels; echo; cat /info/name; echo; cat /info/memory") == 'app="web"\np\n32'
    ns.kubectl("label", "pod", "p", "more=yes")
    wait_for(lambda: 'more="yes"' in ns.exec("p", "cat /info/labels"), 30, "the label shows in the file")


def test_host_paths_are_checked_for_their_type(ns: Namespace) -> None:
    folder = ns.host.directory / "paths" / ns.name
    folder.mkdir(parents=True)
    (folder / "file").write_text("from the host\n")
    kinds = {"made": "DirectoryOrCreate", "file": "File", "new": "FileOrCreate"}
    ns.pod(
        "p",
        "cat /v/file; echo written > /v/new; echo written > /v/made/x; sleep 1000",
        volumeMounts=[mount(name, f"/v/{name}") for name in kinds],
        volumes=[{"name": n, "hostPath": {"path": str(folder / n), "type": kind}} for n, kind in kinds.items()],
    )
    refused = {"name": "v", "hostPath": {"path": str(folder / "file"), "type": "Directory"}}
    ns.pod("refused", volumeMounts=[mount("v", "/v")], volumes=[refused])
    ns.ready("p")
    wait_for(lambda: ns.logs("p") == "from the host\n", 10, "the pod read the host's file")
    wait_for(lambda: (folder / "made" / "x").exists(), 10, "the pod wrote to the host")
    assert (folder / "new").read_text() == "written\n"
    ns.wait_event("FailedMount", "hostPath type check failed")


def test_sub_paths_and_read_only_mounts(ns: Namespace) -> None:
    ns.pod(
        "p",
        "sleep 1000",
        env=[{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        volumeMounts=[
            mount("v", "/whole"),
            mount("v", "/part", subPath="a/b"),
            mount("v", "/mine", subPathExpr="$(POD)"),
            mount("v", "/fixed", readOnly=True),
        ],
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    ns.ready("p")
    ns.exec("p", "echo 1 > /part/x; echo 2 > /mine/y")
    assert ns.exec("p", "cat /whole/a/b/x /whole/p/y") == "1\n2\n"
    assert "Read-only file system" in ns.exec("p", "touch /fixed/z 2>&1 || true")


def test_a_projected_token_is_good_for_the_api(ns: Namespace) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volumes = [{"name": "access", "projected": {"sources": sources}}]
    ns.pod("p", "sleep 1000", volumeMounts=[mount("access", "/access")], volumes=volumes)
    ns.ready("p")
    assert ns.exec("p", "cat /access/namespace") == ns.name
    token, authority = ns.exec("p", "cat /access/token"), ns.exec("p", "cat /access/ca.crt")
    server = ns.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")

    def ask(bearer: str) -> tuple[int, Any]:
        context = ssl.create_default_context(cadata=authority)
        url = f"{server}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        body = b'{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}'
        try:
            with request.urlopen(request.Request(url, body, headers), context=context, timeout=5) as answer:
                return answer.status, json.load(answer)
        except error.HTTPError as refusal:
            return refusal.code, json.load(refusal)

    status, review = ns.host.inside(lambda: ask(token))
    assert status == 201
    assert review["status"]["userInfo"]["username"] == f"system:serviceaccount:{ns.name}:default"
    assert ns.host.inside(lambda: ask(token[:-8] + "AAAAAAAA"))[0] == 401
