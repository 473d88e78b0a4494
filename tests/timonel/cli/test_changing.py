"""Objects are changed, deleted and waited for: scale, rollout, delete, cordon, drain, wait."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from command_line import Timonel, Web, pod_names, table


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
