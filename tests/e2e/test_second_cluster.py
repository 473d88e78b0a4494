"""Two clusters on one Docker, the second one's state in etcd."""

from __future__ import annotations

import shutil

import pytest
from whole_cluster import Api, Cluster, Namespace, wait_for


@pytest.mark.etcd
@pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd on the PATH")
def test_a_cluster_on_etcd_beside_another(ns: Namespace) -> None:
    other = Cluster(ns.host, "beside")
    other.up("--store", "etcd", "--nodes", "1", "--quiet")
    try:
        other.api = Api(ns.host, other.kubeconfig)
        wait_for(lambda: other.get("serviceaccounts", "default", "default"), 10, "the service account")
        theirs = Namespace(other, "default")
        serves = "hostname > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"
        ns.pod("mine", serves)
        theirs.pod("theirs", serves)
        addresses = {name: pods.ready(name)["status"]["podIP"] for name, pods in (("mine", ns), ("theirs", theirs))}
        for name, address in addresses.items():
            assert ns.host.http(f"http://{address}:8080/") == (200, f"{name}\n")

        other.kill("etcd")
        other.kill("master")
        other.up("--quiet")
        after = theirs.ready("theirs")
        assert after["status"]["containerStatuses"][0]["restartCount"] == 0
        assert after["status"]["podIP"] == addresses["theirs"]
        other.api.close()
    finally:
        other.down()
    assert not other.root.exists()
    labels = ns.host.docker("ps", "-a", "--format", '{{.Label "timonel.io/cluster"}}').split()
    assert len(set(labels)) == 1, "only the first cluster's containers are left"
    assert ns.host.http(f"http://{addresses['mine']}:8080/") == (200, "mine\n")
