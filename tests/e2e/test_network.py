"""Pods and their network: addresses, names, ports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from whole_cluster import IMAGE, SERVES, Namespace, container_id, is_ready, wait_for


def test_pods_of_all_nodes_reach_each_other(ns: Namespace) -> None:
    for node in ("node-1", "node-2", "node-3"):
        ns.pod(node, "hostname > /tmp/index.html; exec httpd -f -p 8080 -h /tmp", nodeName=node)
    pods = {name: ns.ready(name) for name in ("node-1", "node-2", "node-3")}
    for here in pods:
        for there, pod in pods.items():
            # Debian's static busybox has a wget that crashes.
            call = rf"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 3 {pod['status']['podIP']} 8080"
            assert ns.exec(here, call).endswith(f"\n{there}\n")
    address = pods["node-1"]["status"]["podIP"]
    assert address in ns.exec("node-1", "ip -4 addr show eth0")
    assert pods["node-1"]["status"]["hostIP"] == "10.77.0.11"


def test_pods_of_all_nodes_reach_the_api_at_its_services_address(ns: Namespace) -> None:
    """With kubectl, a Go program, which finds the API as every client in a pod does: by environment and token."""
    kubectl = Path(shutil.which("kubectl") or "").resolve()
    files = [kubectl, *(path for path in (Path("/lib"), Path("/lib64")) if path.is_dir())]
    volumes = [{"name": path.name, "hostPath": {"path": str(path)}} for path in files]
    mounts = [{"name": path.name, "mountPath": str(path), "readOnly": True} for path in files]
    asks = f"{kubectl} auth whoami -o jsonpath={{.status.userInfo.username}} && {kubectl} get --raw /openid/v1/jwks"
    for node in ("node-1", "node-2", "node-3"):
        ns.pod(node, asks, nodeName=node, restartPolicy="Never", volumes=volumes, volumeMounts=mounts)
    for node in ("node-1", "node-2", "node-3"):
        ns.ended(node)
        assert ns.logs(node).startswith(f'system:serviceaccount:{ns.name}:default{{"keys":[')


def test_names_hosts_and_resolvers(ns: Namespace) -> None:
    ns.pod(
        "p",
        "sleep 1000",
        hostname="anchor",
        subdomain="deep",
        hostAliases=[{"ip": "10.1.2.3", "hostnames": ["lighthouse"]}],
        dnsPolicy="None",
        dnsConfig={"nameservers": ["10.9.8.7"], "searches": ["sea"], "options": [{"name": "ndots", "value": "3"}]},
    )
    ns.pod("default", "sleep 1000")
    address = ns.ready("p")["status"]["podIP"]
    assert ns.exec("p", "hostname") == "anchor\n"
    hosts = ns.exec("p", "cat /etc/hosts")
    assert f"{address}\tanchor.deep.{ns.name}.svc.cluster.local\tanchor" in hosts
    assert "10.1.2.3\tlighthouse" in hosts
    assert ns.exec("p", "cat /etc/resolv.conf").split("\n")[:3] == [
        "search sea",
        "nameserver 10.9.8.7",
        "options ndots:3",
    ]
    ns.ready("default")
    assert ns.exec("default", "hostname") == "default\n"


def test_host_network(ns: Namespace) -> None:
    ns.pod("p", "echo here > /tmp/index.html; exec httpd -f -p 18080 -h /tmp", hostNetwork=True)
    pod = ns.ready("p")
    assert pod["status"]["podIP"] == pod["status"]["hostIP"] == "10.77.0.11"
    wait_for(lambda: ns.host.http("http://10.77.0.11:18080/") == (200, "here\n"), 5, "the host's port answers")


def test_host_ports(ns: Namespace) -> None:
    port = {"containerPort": 8080, "hostPort": 18081}
    ns.pod("p", SERVES, ports=[port], nodeName="node-1")
    ns.ready("p")
    for address in ("10.77.0.11", "127.0.0.1"):
        wait_for(lambda a=address: ns.host.http(f"http://{a}:18081/")[0] == 200, 5, f"{address}:18081 answers")
    ns.delete("pods", "p")
    ns.gone("p")
    assert ns.host.http("http://10.77.0.11:18081/")[0] == 0


def test_a_host_port_that_a_pod_of_another_node_of_the_machine_has(ns: Namespace) -> None:
    """The scheduler counts ports by node; that these nodes share their addresses only the agents know."""
    port = {"containerPort": 8080, "hostPort": 18082}
    ns.pod("first", SERVES, ports=[port], nodeName="node-1")
    uid = ns.ready("first")["metadata"]["uid"]
    ns.pod("second", SERVES, ports=[port], nodeName="node-2")
    why = f"host port tcp . 18082 of this machine is taken by the pod with uid {uid}, on another node"
    ns.wait_event("FailedCreatePodSandBox", why)
    pod = ns.get("pods", "second") or {}
    (condition,) = (c for c in pod["status"]["conditions"] if c["type"] == "PodReadyToStartContainers")
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "HostPortConflict", why)
    assert pod["status"]["phase"] == "Pending"
    assert not is_ready(pod)
    ns.delete("pods", "first")
    ns.ready("second")
    wait_for(lambda: ns.host.http("http://10.77.0.11:18082/")[0] == 200, 5, "the port leads to the second pod")


def test_a_bridge_that_is_removed_by_hand_comes_back(ns: Namespace) -> None:
    ns.pod("p", SERVES, nodeName="node-1")
    ns.pod("elsewhere", nodeName="node-2")
    before = ns.ready("p")
    ns.ready("elsewhere")
    address = before["status"]["podIP"]
    bridge = json.loads(ns.host.run("ip", "-j", "route", "get", address).stdout)[0]["dev"]
    ns.host.run("ip", "link", "delete", bridge)
    assert ns.host.http(f"http://{address}:8080/")[0] == 0
    wait_for(lambda: ns.host.http(f"http://{address}:8080/") == (200, f"{IMAGE}\n"), 20, "the pod is reached again")
    ns.exec("elsewhere", f"nc -w 3 {address} 8080 </dev/null")
    after = ns.ready("p")
    assert (container_id(after), after["status"]["podIP"]) == (container_id(before), address), "nothing was restarted"

    ns.host.run("ip", "link", "delete", bridge)
    ns.pod("new", SERVES, nodeName="node-1")
    new = ns.ready("new", 10)["status"]["podIP"]
    for there in (new, address):
        wait_for(lambda at=there: ns.host.http(f"http://{at}:8080/")[0] == 200, 10, f"{there} is reached")
