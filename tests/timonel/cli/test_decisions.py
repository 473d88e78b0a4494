"""What commands decide by themselves, from objects alone."""

from __future__ import annotations

from typing import Any

import pytest

from timonel.api import codec
from timonel.api.gvk import GVK
from timonel.api.types import core_v1
from timonel.cli import targets
from timonel.cli.awaiting import pods_of
from timonel.cli.commands.drain import Rules, make_plan
from timonel.cli.commands.why import explanation
from timonel.cli.errors import CliError
from timonel.cli.readiness import Stage, pod_word, progress, trouble
from timonel.discovery import Discovery, UnknownResource

Object = dict[str, Any]
WAITING, READY, FAILED = Stage.WAITING, Stage.READY, Stage.FAILED


def daemon_set(**status: int) -> dict[str, Any]:
    return {
        "kind": "DaemonSet",
        "metadata": {"name": "web"},
        "spec": {},
        "status": {"desiredNumberScheduled": 2, **status},
    }


def stateful_set(**status: int) -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    spec = {"replicas": 3, "updateStrategy": strategy}
    return {"kind": "StatefulSet", "metadata": {"name": "web", "generation": 1}, "spec": spec, "status": status}


def deployment(generation: int = 1, replicas: int = 3, **status: Any) -> Object:
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": generation},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, **status},
    }


def pod(phase: str = "Running", ready: bool = False, waiting: Object | None = None, **metadata: Any) -> Object:
    state = {"waiting": waiting} if waiting else {"running": {}}
    return {
        "kind": "Pod",
        "metadata": {"name": "p", **metadata},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "c", "state": state}],
        },
    }


def job(condition: str) -> Object:
    return {"kind": "Job", "metadata": {}, "status": {"conditions": [{"type": condition, "status": "True"}]}}


BACKOFF = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}
ENDED = {"name": "c", "state": {"terminated": {"exitCode": 3}}}
LATE = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]


@pytest.mark.parametrize(
    ("obj", "stage", "text"),
    [
        (deployment(generation=2), WAITING, "spec update to be observed"),
        (deployment(updatedReplicas=1), WAITING, "1 out of 3 new replicas have been updated"),
        (deployment(updatedReplicas=3, replicas=4), WAITING, "3 out of 4 new replicas have been updated"),
        (deployment(updatedReplicas=3, availableReplicas=2), WAITING, "2 of 3 updated replicas are available"),
        (deployment(updatedReplicas=3, availableReplicas=3), READY, "successfully rolled out"),
        (deployment(conditions=LATE), FAILED, "exceeded its progress deadline"),
        (deployment(replicas=0), READY, "successfully rolled out"),
        (pod(ready=True), READY, "Running"),
        (pod(), WAITING, "Running, not ready"),
        (pod(phase="Succeeded"), READY, "Succeeded"),
        (pod(phase="Failed"), FAILED, "Failed"),
        (pod(phase="Pending", waiting=BACKOFF), WAITING, "ImagePullBackOff"),
        ({"kind": "Namespace", "metadata": {}, "status": {"phase": "Active"}}, READY, "Active"),
        ({"kind": "Namespace", "metadata": {}, "status": {"phase": "Terminating"}}, WAITING, "Terminating"),
        ({"kind": "ConfigMap", "metadata": {}}, READY, ""),
        ({"kind": "ReplicaSet", "metadata": {}, "spec": {"replicas": 2}, "status": {}}, WAITING, "0 of 2"),
        (daemon_set(), WAITING, '"web" rollout to finish: 0 out of 2 new pods have been updated'),
        (daemon_set(updatedNumberScheduled=2), WAITING, "0 of 2 updated pods are available"),
        (daemon_set(updatedNumberScheduled=2, numberAvailable=2), READY, 'daemon set "web" successfully rolled out'),
        (stateful_set(), WAITING, "spec update to be observed"),
        (stateful_set(observedGeneration=1, readyReplicas=2), WAITING, "Waiting for 1 pods to be ready"),
        (stateful_set(observedGeneration=1, readyReplicas=3), WAITING, "0 out of 2 new pods have been updated"),
        (
            stateful_set(observedGeneration=1, readyReplicas=3, updatedReplicas=2),
            READY,
            "roll out complete: 2 new pods",
        ),
        (job("Complete"), READY, ""),
        (job("Failed"), FAILED, "failed"),
    ],
)
def test_how_far_an_object_is(obj: Object, stage: Stage, text: str) -> None:
    found = progress(obj)
    assert found.stage is stage
    assert text in found.text


def test_old_replicas_keep_a_rollout_going() -> None:
    obj = deployment(updatedReplicas=3, availableReplicas=3)
    obj["status"]["replicas"] = 4
    assert progress(obj).text.endswith("1 old replicas are pending termination...")


@pytest.mark.parametrize(
    ("obj", "word", "why"),
    [
        (pod(waiting=BACKOFF), "ImagePullBackOff", 'c: Back-off pulling image "x"'),
        (pod(phase="Pending", waiting={"reason": "ContainerCreating"}), "Pending", ""),
        (pod(deletionTimestamp="2026-01-01T00:00:00Z"), "Terminating", ""),
        (
            {"metadata": {}, "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2"}]}},
            "Pending",
            "0/2",
        ),
        ({"metadata": {}, "status": {"containerStatuses": [ENDED]}}, "Error", "c: exited with 3"),
    ],
)
def test_what_keeps_a_pod(obj: Object, word: str, why: str) -> None:
    assert pod_word(obj) == word
    assert trouble(obj) == why


def test_a_workload_has_the_pods_that_it_selects() -> None:
    apps = {"b": "x", "a": "x", "c": "y"}
    pods = {("d", name): {"metadata": {"name": name, "labels": {"app": app}}} for name, app in apps.items()}
    workload = {"spec": {"template": {}, "selector": {"matchLabels": {"app": "x"}}}}
    assert [each["metadata"]["name"] for each in pods_of(workload, pods)] == ["a", "b"]
    assert pods_of({"spec": {"selector": {"app": "x"}}}, pods) == []


# drain


def owned(kind: str, **spec: Any) -> core_v1.Pod:
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": "o", "uid": "u", "controller": True}
    metadata: Object = {"name": "p", "namespace": "d", "ownerReferences": [reference] if kind else []}
    return codec.convert(core_v1.Pod, {"metadata": metadata, "spec": {"containers": [], **spec}})


EMPTY_DIR = [{"name": "v", "emptyDir": {}}]
STRICT = Rules(ignore_daemonsets=False, delete_emptydir_data=False, force=False)
LAX = Rules(ignore_daemonsets=True, delete_emptydir_data=True, force=True)


@pytest.mark.parametrize(
    ("found", "rules", "evicted", "refused"),
    [
        (owned("ReplicaSet"), STRICT, 1, ""),
        (owned("ReplicaSet", volumes=EMPTY_DIR), STRICT, 1, "local storage"),
        (owned("ReplicaSet", volumes=EMPTY_DIR), LAX, 1, ""),
        (owned("DaemonSet"), STRICT, 0, "DaemonSet-managed"),
        (owned("DaemonSet"), LAX, 0, ""),
        (owned(""), STRICT, 1, "declare no controller"),
        (owned(""), LAX, 1, ""),
    ],
)
def test_which_pods_a_drain_evicts(found: core_v1.Pod, rules: Rules, evicted: int, refused: str) -> None:
    plan = make_plan([found], rules)
    assert len(plan.evict) == evicted
    assert bool(plan.refusals) == bool(refused)
    assert all(refused in text for text in plan.refusals)


# targets


@pytest.fixture(scope="module")
def found() -> Discovery:
    def entry(plural: str, kind: str, short: str, group: str) -> Object:
        return {
            "resource": plural,
            "singularResource": kind.lower(),
            "responseKind": {"kind": kind, "version": "v1", "group": group},
            "scope": "Namespaced",
            "verbs": ["get"],
            "shortNames": [short],
            "categories": ["all"],
        }

    pods = {"version": "v1", "resources": [entry("pods", "Pod", "po", "")]}
    workloads = {"version": "v1", "resources": [entry("deployments", "Deployment", "deploy", "apps")]}
    groups = [{"metadata": {}, "versions": [pods]}, {"metadata": {"name": "apps"}, "versions": [workloads]}]
    return Discovery([{"items": groups}])


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["pods"], [("pods", ())]),
        (["po,deploy"], [("pods", ()), ("deployments", ())]),
        (["all"], [("pods", ()), ("deployments", ())]),
        (["Pod", "a", "b", "a"], [("pods", ("a", "b"))]),
        (["pod/a", "deploy/x", "po/b"], [("pods", ("a", "b")), ("deployments", ("x",))]),
        (["deployments.v1.apps", "x"], [("deployments", ("x",))]),
    ],
)
def test_what_words_mean(words: list[str], meant: list[tuple[str, tuple[str, ...]]], found: Discovery) -> None:
    assert [(target.resource.plural, target.names) for target in targets.parse(found, words)] == meant


@pytest.mark.parametrize("words", [[], ["pod/a", "b"], ["pod/"], ["/a"], ["pod/a/b"]])
def test_words_that_mean_nothing(words: list[str], found: Discovery) -> None:
    with pytest.raises(CliError):
        targets.parse(found, words)


def test_unknown_words_are_answered_with_the_nearest(found: Discovery) -> None:
    with pytest.raises(UnknownResource, match='did you mean "deployment"'):
        targets.parse(found, ["deploymnt"])


def test_objects_are_labelled_by_singular_and_group(found: Discovery) -> None:
    assert targets.label(found.of(GVK("apps", "v1", "Deployment")), "web") == "deployment.apps/web"
    assert targets.label(found.named("po"), "p") == "pod/p"


# why

TAKES = {"node": "a", "refusals": [], "scores": {"spread": 100, "fit": 20}}
BETTER = {"node": "b", "refusals": [], "scores": {"spread": 100, "fit": 90}}
REFUSES = {"node": "c", "refusals": ["Insufficient cpu", "too many pods"], "scores": {}}


@pytest.mark.parametrize(
    ("node", "verdicts", "headline"),
    [
        ("a", [TAKES, BETTER, REFUSES], "pod/p runs on a; as things are now, 2 of 3 nodes could take it:"),
        ("", [TAKES, REFUSES], "pod/p is not placed yet; 1 of 2 nodes could take it:"),
        ("", [REFUSES], "pod/p is not placed: none of 1 nodes can take it:"),
    ],
)
def test_a_placement_in_one_sentence(node: str, verdicts: list[Object], headline: str) -> None:
    assert explanation("p", {"node": node, "verdicts": verdicts})[0] == headline


def test_a_placement_node_by_node_the_best_first() -> None:
    rows = explanation("p", {"node": "a", "verdicts": [REFUSES, TAKES, BETTER]})[1].splitlines()
    assert [row.split() for row in rows] == [
        ["NODE", "FITS", "TOTAL", "FIT", "SPREAD", "REFUSED", "BECAUSE"],
        ["b", "yes", "190", "90", "100"],
        ["a", "*", "yes", "120", "20", "100"],
        ["c", "no", "-", "-", "-", "Insufficient", "cpu;", "too", "many", "pods"],
    ]
