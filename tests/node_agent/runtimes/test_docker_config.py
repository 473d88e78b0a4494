"""Specs become the configurations that Docker is given."""

from dataclasses import replace

import pytest

from node_agent.runtimes.base import ContainerSpec, ImageFailure, Mount, PodId, Resources, SandboxSpec, Security
from node_agent.runtimes.docker import config, images, names

POD = PodId("shop", "web-0", "uid-1")
SCOPE = names.Scope("home", "node-1")
ABLE = config.Abilities(own_network=True, negative_oom_score=True)
PLAIN = config.Abilities(own_network=False, negative_oom_score=False)
SANDBOX = SandboxSpec(POD, "web-0")
CONTAINER = ContainerSpec(POD, "app", 2, "busybox:latest", labels={"own": "1"})
JOINS = config.Joins(network="container:s", ipc="container:s", pid="")


def test_labels_tell_all_that_a_restarted_agent_must_know() -> None:
    labels = config.container_config(SCOPE, CONTAINER, JOINS, ABLE)["Labels"]
    assert names.pod_of(labels) == POD
    assert names.attempt_of(labels) == 2
    assert (labels[names.CLUSTER], labels[names.NODE]) == ("home", "node-1")
    assert labels["own"] == "1"
    assert labels[names.TYPE] == names.CONTAINER_TYPE
    assert config.sandbox_config(SCOPE, SANDBOX, "pause", ABLE)["Labels"][names.TYPE] == names.SANDBOX_TYPE


def test_a_spec_cannot_spoil_the_labels() -> None:
    forged = replace(CONTAINER, labels={names.NODE: "node-2", names.POD_UID: "other"})
    labels = config.container_config(SCOPE, forged, JOINS, ABLE)["Labels"]
    assert labels[names.NODE] == "node-1"
    assert names.pod_of(labels) == POD


def test_foreign_labels_are_not_ours() -> None:
    assert names.pod_of({}) is None
    assert names.attempt_of({names.ATTEMPT: "many"}) == 0


def test_names_differ_by_node_attempt_and_container() -> None:
    made = {
        scope.name(POD, attempt, container)
        for scope in (SCOPE, names.Scope("home", "node-2"))
        for attempt in (0, 1)
        for container in ("POD", "app")
    }
    assert len(made) == 8
    assert SCOPE.name(POD, 0, "app") == "k8s_app_web-0_shop_uid-1_0_home.node-1"


@pytest.mark.parametrize(
    ("spec", "abilities", "network", "command"),
    [
        (SANDBOX, ABLE, "host", ["net"]),
        (SANDBOX, PLAIN, "none", []),
        (replace(SANDBOX, host_network=True), ABLE, "host", []),
        (replace(SANDBOX, host_network=True), PLAIN, "host", []),
    ],
)
def test_who_makes_the_network(
    spec: SandboxSpec, abilities: config.Abilities, network: str, command: list[str]
) -> None:
    made = config.sandbox_config(SCOPE, spec, "pause", abilities)
    assert made["HostConfig"]["NetworkMode"] == network
    assert made["Cmd"] == command
    assert bool(made["HostConfig"]["CapAdd"]) == bool(command)


def test_network_sysctls_are_dockers_only_where_docker_makes_the_network() -> None:
    spec = replace(SANDBOX, sysctls={"net.core.somaxconn": "7", "kernel.shm_rmid_forced": "1"})
    own = config.sandbox_config(SCOPE, spec, "pause", ABLE)["HostConfig"]["Sysctls"]
    assert own == {"kernel.shm_rmid_forced": "1"}
    assert config.network_sysctls(spec)["net.core.somaxconn"] == "7"
    assert config.sandbox_config(SCOPE, spec, "pause", PLAIN)["HostConfig"]["Sysctls"] == dict(spec.sysctls)


def test_what_containers_join() -> None:
    made = config.sandbox_config(SCOPE, SANDBOX, "pause", ABLE)
    joins = config.joins({**made, "Id": "s", "Config": made})
    assert joins == JOINS
    shared = config.sandbox_config(SCOPE, replace(SANDBOX, share_processes=True), "pause", ABLE)
    assert config.joins({**shared, "Id": "s", "Config": shared}).pid == "container:s"
    hosts = config.sandbox_config(SCOPE, replace(SANDBOX, host_ipc=True, host_pid=True), "pause", ABLE)
    found = config.joins({**hosts, "Id": "s", "Config": hosts})
    assert (found.ipc, found.pid) == ("host", "host")


def test_an_unset_command_is_left_to_the_image() -> None:
    made = config.container_config(SCOPE, CONTAINER, JOINS, ABLE)
    assert "Entrypoint" not in made
    assert "Cmd" not in made
    made = config.container_config(SCOPE, replace(CONTAINER, command=["a"], args=["b"]), JOINS, ABLE)
    assert (made["Entrypoint"], made["Cmd"]) == (["a"], ["b"])


def test_a_memory_limit_includes_swap() -> None:
    assert config.limits(Resources(memory_bytes=5)) == {"Memory": 5, "MemorySwap": 5}
    assert config.limits(Resources()) == {}


def test_negative_oom_scores_only_where_they_are_granted() -> None:
    spec = replace(CONTAINER, resources=Resources(oom_score_adj=-997))
    assert config.container_config(SCOPE, spec, JOINS, ABLE)["HostConfig"]["OomScoreAdj"] == -997
    assert config.container_config(SCOPE, spec, JOINS, PLAIN)["HostConfig"]["OomScoreAdj"] == 0
    spec = replace(CONTAINER, resources=Resources(oom_score_adj=900))
    assert config.container_config(SCOPE, spec, JOINS, PLAIN)["HostConfig"]["OomScoreAdj"] == 900


def test_security_and_mounts() -> None:
    security = Security(
        user="7:8", groups=[9], no_new_privileges=True, seccomp="unconfined", unmask_proc=True, add_capabilities=["ALL"]
    )
    mounts = [Mount("/a:b", "/c", read_only=True), Mount("/d", "/e", propagation="rslave")]
    made = config.container_config(SCOPE, replace(CONTAINER, security=security, mounts=mounts), JOINS, ABLE)
    host = made["HostConfig"]
    assert made["User"] == "7:8"
    assert host["GroupAdd"] == ["9"]
    assert host["SecurityOpt"] == ["no-new-privileges", "seccomp=unconfined"]
    assert host["MaskedPaths"] == []
    first, second = host["Mounts"]
    assert (first["Source"], first["ReadOnly"], "BindOptions" in first) == ("/a:b", True, False)
    assert (second["Source"], second["ReadOnly"], second["BindOptions"]["Propagation"]) == ("/d", False, "rslave")


def test_a_container_that_looks_into_another() -> None:
    made = config.container_config(SCOPE, replace(CONTAINER, joins="abc"), JOINS, ABLE)
    assert made["HostConfig"]["PidMode"] == "container:abc"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("busybox", ("busybox", "latest")),
        ("busybox:1.36", ("busybox", "1.36")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "latest")),
        ("registry.example.com/a/b_c:T.1", ("registry.example.com/a/b_c", "T.1")),
        ("a@sha256:" + "0" * 64, ("a", "sha256:" + "0" * 64)),
        ("a:1@sha256:" + "0" * 64, ("a", "sha256:" + "0" * 64)),
    ],
)
def test_image_names_are_taken_apart(name: str, parts: tuple[str, str]) -> None:
    assert images.parse_reference(name) == parts


@pytest.mark.parametrize("name", ["", "A", "a:", "a b", "a/", "-a", "a@sha256:12", "http://a/b", "a:b:c"])
def test_bad_image_names_are_refused(name: str) -> None:
    with pytest.raises(ImageFailure) as raised:
        images.parse_reference(name)
    assert raised.value.reason == "InvalidImageName"


def test_pull_progress_adds_up_the_layers() -> None:
    progress = images.Progress()
    told = [
        {"status": "Pulling from library/a", "id": "latest"},
        {"status": "Downloading", "id": "x", "progressDetail": {"current": 10, "total": 40}},
        {"status": "Downloading", "id": "y", "progressDetail": {"current": 5, "total": 60}},
        {"status": "Download complete", "id": "x", "progressDetail": {}},
        {"status": "Extracting", "id": "x", "progressDetail": {"current": 1, "total": 40}},
    ]
    seen = [progress.take(message) for message in told]
    assert [(step.done, step.total) for step in seen] == [(0, 0), (10, 40), (15, 100), (45, 100), (45, 100)]
