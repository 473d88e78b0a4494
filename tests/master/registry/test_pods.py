"""Pods: what their specs mean, what is refused, how they are bound."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest

from timonel.api.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from timonel.api.types import core_v1, policy_v1, scheduling_v1

Pod = core_v1.Pod


async def test_what_is_left_open_is_filled_in(api: Any, pod: dict[str, Any]) -> None:
    main = pod["spec"]["containers"][0]
    main["ports"] = [{"containerPort": 80}]
    main["readinessProbe"] = {"httpGet": {"port": 80}}
    main["resources"] = {"limits": {"cpu": "0.5", "memory": "64Mi"}}
    pod["spec"]["volumes"] = [{"name": "scratch"}, {"name": "config", "configMap": {"name": "c"}}]
    pod["status"] = {"phase": "Running"}
    made = await api.create(Pod, pod)
    spec, container = made["spec"], made["spec"]["containers"][0]
    assert made["status"] == {"phase": "Pending", "qosClass": "Guaranteed"}
    assert made["metadata"]["generation"] == 1
    expected = {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": True,
        "securityContext": {},
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    assert expected.items() <= spec.items()
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["resources"]["requests"] == {"cpu": "500m", "memory": "64Mi"}
    assert container["readinessProbe"] == {
        "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert spec["volumes"][:2] == [
        {"name": "scratch", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "c", "defaultMode": 420}},
    ]


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.25", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
async def test_pull_policy_follows_the_tag(api: Any, pod: dict[str, Any], image: str, policy: str) -> None:
    pod["spec"]["containers"][0]["image"] = image
    assert (await api.create(Pod, pod))["spec"]["containers"][0]["imagePullPolicy"] == policy


async def test_the_accounts_token_is_mounted(api: Any, pod: dict[str, Any]) -> None:
    made = await api.create(Pod, pod)
    [volume] = made["spec"]["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    sources = volume["projected"]["sources"]
    assert sources[0] == {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}
    [mount] = made["spec"]["containers"][0]["volumeMounts"]
    assert mount == {
        "name": volume["name"],
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": True,
    }
    without = copy.deepcopy(pod)
    without["metadata"]["name"] = "without"
    without["spec"]["automountServiceAccountToken"] = False
    assert "volumes" not in (await api.create(Pod, without))["spec"]


async def test_an_account_that_is_not_there(api: Any, pod: dict[str, Any]) -> None:
    pod["spec"]["serviceAccountName"] = "ghost"
    with pytest.raises(Forbidden) as refused:
        await api.create(Pod, pod)
    assert refused.value.message == (
        'pods "web" is forbidden: error looking up service account default/ghost: serviceaccount "ghost" not found'
    )


async def test_a_namespace_that_is_not_there(api: Any, pod: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match='namespaces "ghost" not found'):
        await api.create(Pod, pod, "ghost")


async def test_priority(api: Any, pod: dict[str, Any]) -> None:
    await api.create(scheduling_v1.PriorityClass, {"metadata": {"name": "high"}, "value": 1000}, "")
    pod["spec"]["priorityClassName"] = "high"
    assert (await api.create(Pod, pod))["spec"]["priority"] == 1000
    pod["metadata"]["name"] = "other"
    pod["spec"]["priority"] = 7
    with pytest.raises(Forbidden, match="must not be provided in pod spec"):
        await api.create(Pod, pod)
    pod["spec"] |= {"priorityClassName": "ghost"}
    with pytest.raises(Forbidden, match="no PriorityClass with name ghost was found"):
        await api.create(Pod, pod)


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def fault(message: str, change: Change) -> Any:
    return pytest.param(change, message, id=message[:60])


PORT_80 = {"containerPort": 80}
FAULTS = [
    fault("spec.containers: Required value", lambda s, c: s.update(containers=[])),
    fault("spec.containers[0].name: Required value", lambda s, c: c.update(name="")),
    fault('spec.containers[0].name: Invalid value: "A": a lowercase RFC 1123 label', lambda s, c: c.update(name="A")),
    fault("spec.containers[0].image: Required value", lambda s, c: c.update(image="")),
    fault(
        'spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace',
        lambda s, c: c.update(image=" x"),
    ),
    fault('spec.containers[1].name: Duplicate value: "main"', lambda s, c: s["containers"].append(dict(c))),
    fault(
        'spec.containers[0].imagePullPolicy: Unsupported value: "Maybe": '
        'supported values: "Always", "IfNotPresent", "Never"',
        lambda s, c: c.update(imagePullPolicy="Maybe"),
    ),
    fault(
        'spec.restartPolicy: Unsupported value: "No": supported values: "Always", "OnFailure", "Never"',
        lambda s, c: s.update(restartPolicy="No"),
    ),
    fault('spec.dnsPolicy: Unsupported value: "X"', lambda s, c: s.update(dnsPolicy="X")),
    fault(
        "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
        lambda s, c: c.update(ports=[{"containerPort": 99999}]),
    ),
    fault(
        'spec.containers[0].ports[1].name: Duplicate value: "http"',
        lambda s, c: c.update(ports=[{**PORT_80, "name": "http"}, {"containerPort": 81, "name": "http"}]),
    ),
    fault(
        'spec.containers[0].ports[0].protocol: Unsupported value: "ICMP"',
        lambda s, c: c.update(ports=[{**PORT_80, "protocol": "ICMP"}]),
    ),
    fault(
        'spec.containers[0].volumeMounts[0].name: Not found: "ghost"',
        lambda s, c: c.update(volumeMounts=[{"name": "ghost", "mountPath": "/x"}]),
    ),
    fault(
        'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
        lambda s, c: (s.update(volumes=[{"name": "v"}]), c.update(volumeMounts=[{"name": "v", "mountPath": "/x"}] * 2)),
    ),
    fault(
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        lambda s, c: c.update(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
    ),
    fault(
        'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        lambda s, c: c.update(resources={"limits": {"cpu": "-1"}}),
    ),
    fault(
        "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        lambda s, c: c.update(livenessProbe={}),
    ),
    fault(
        "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        lambda s, c: c.update(livenessProbe={"tcpSocket": {"port": 80}, "successThreshold": 2}),
    ),
    fault(
        "spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        lambda s, c: c.update(readinessProbe={"exec": {"command": ["x"]}, "tcpSocket": {"port": 80}}),
    ),
    fault(
        "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value",
        lambda s, c: c.update(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}]),
    ),
    fault(
        'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        lambda s, c: c.update(
            env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
        ),
    ),
    fault("spec.volumes[0].name: Required value", lambda s, c: s.update(volumes=[{"emptyDir": {}}])),
    fault('spec.volumes[1].name: Duplicate value: "v"', lambda s, c: s.update(volumes=[{"name": "v"}, {"name": "v"}])),
    fault(
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        lambda s, c: s.update(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
    ),
    fault(
        "spec.volumes[0].configMap.items[0].path: Invalid value",
        lambda s, c: s.update(
            volumes=[{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "../up"}]}}]
        ),
    ),
    fault(
        "spec.initContainers[0].readinessProbe: Forbidden: "
        "may not be set for init containers without restartPolicy=Always",
        lambda s, c: s.update(
            initContainers=[{"name": "i", "image": "x", "readinessProbe": {"tcpSocket": {"port": 1}}}]
        ),
    ),
    fault(
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        lambda s, c: s.update(activeDeadlineSeconds=0),
    ),
    fault("spec.nodeSelector: Invalid value", lambda s, c: s.update(nodeSelector={"a b": "c"})),
    fault(
        "spec.tolerations[0].operator: Invalid value",
        lambda s, c: s.update(tolerations=[{"operator": "Equal", "value": "x"}]),
    ),
    fault(
        "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute'",
        lambda s, c: s.update(
            tolerations=[{"key": "k", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 1}]
        ),
    ),
    fault(
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value",
        lambda s, c: s.update(
            affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
        ),
    ),
    fault(
        "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        lambda s, c: s.update(
            topologySpreadConstraints=[
                {"maxSkew": 0, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
            ]
        ),
    ),
    fault(
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
        lambda s, c: s.update(dnsPolicy="None"),
    ),
    fault(
        "spec.hostAliases[0].ip: Invalid value", lambda s, c: s.update(hostAliases=[{"ip": "x", "hostnames": ["a"]}])
    ),
    fault(
        "spec.ephemeralContainers: Forbidden: cannot be set on create",
        lambda s, c: s.update(ephemeralContainers=[{"name": "e", "image": "x"}]),
    ),
]


@pytest.mark.parametrize(("change", "message"), FAULTS)
async def test_faults_are_named(api: Any, pod: dict[str, Any], change: Change, message: str) -> None:
    change(pod["spec"], pod["spec"]["containers"][0] if pod["spec"]["containers"] else {})
    with pytest.raises(Invalid) as refused:
        await api.create(Pod, pod)
    assert message in refused.value.message
    field = message.partition(":")[0]
    assert field in [cause.field for cause in refused.value.causes]


async def test_what_may_change(api: Any, pod: dict[str, Any]) -> None:
    await api.create(Pod, pod)
    image = {"spec": {"containers": [{"name": "main", "image": "nginx:1.26"}]}}
    made = await api.get(Pod, "web")
    made["spec"]["containers"][0]["image"] = "nginx:1.26"
    made["spec"]["tolerations"].append({"key": "k", "operator": "Exists"})
    made["spec"]["activeDeadlineSeconds"] = 100
    made["metadata"]["labels"] = {"a": "b"}
    changed = await api.update(Pod, made)
    assert changed["metadata"]["generation"] == 2
    assert changed["spec"]["containers"][0]["image"] == image["spec"]["containers"][0]["image"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodeSelector": {"a": "b"}}, "pod updates may not change fields other than"),
        ({"restartPolicy": "Never"}, "pod updates may not change fields other than"),
        ({"containers": []}, "pod updates may not add or remove containers"),
        ({"tolerations": []}, "existing toleration can not be modified except its tolerationSeconds"),
    ],
)
async def test_what_may_not_change(api: Any, pod: dict[str, Any], change: dict[str, Any], message: str) -> None:
    pod["spec"]["tolerations"] = [{"key": "own", "operator": "Exists"}]
    await api.create(Pod, pod)
    with pytest.raises(Invalid, match=message):
        await api.merge(Pod, "web", {"spec": change})


def binding(node: str = "node-1", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", **metadata}, "target": {"kind": "Node", "name": node}}


async def test_binding(api: Any, pod: dict[str, Any]) -> None:
    await api.create(Pod, pod)
    done = await api.create(Pod, binding(), name="web", subresource="binding")
    assert (done["kind"], done["status"]) == ("Status", "Success")
    bound = await api.get(Pod, "web")
    assert bound["spec"]["nodeName"] == "node-1"
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [("PodScheduled", "True")]
    with pytest.raises(Conflict, match='already assigned to node "node-1"'):
        await api.create(Pod, binding("node-2"), name="web", subresource="binding")


async def test_two_schedulers_bind_once(api: Any, pod: dict[str, Any]) -> None:
    await api.create(Pod, pod)
    tries = (api.create(Pod, binding(f"node-{n}"), name="web", subresource="binding") for n in range(5))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, dict) for result in done) == 1
    assert sum(isinstance(result, Conflict) for result in done) == 4


async def test_binding_of_another_pod_of_that_name(api: Any, pod: dict[str, Any]) -> None:
    await api.create(Pod, pod)
    with pytest.raises(Conflict, match="UID in precondition"):
        await api.create(Pod, binding(uid="other"), name="web", subresource="binding")
    with pytest.raises(NotFound):
        await api.create(
            Pod, {"metadata": {"name": "ghost"}, "target": {"name": "n"}}, name="ghost", subresource="binding"
        )
    with pytest.raises(Invalid, match=r"target.name: Required value"):
        await api.create(Pod, {"metadata": {"name": "web"}, "target": {}}, name="web", subresource="binding")


async def test_eviction(api: Any, pod: dict[str, Any]) -> None:
    await api.create(Pod, pod)
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    with pytest.raises(BadRequest, match="name in URL does not match name in Eviction object"):
        await api.create(Pod, {"metadata": {"name": "other"}}, name="web", subresource="eviction")
    await api.create(Pod, body, name="web", subresource="eviction")
    assert body["kind"] == policy_v1.Eviction.gvk.kind
    with pytest.raises(NotFound):
        await api.get(Pod, "web")


async def test_ephemeral_containers_come_and_stay(api: Any, pod: dict[str, Any]) -> None:
    await api.create(Pod, pod)
    debug = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]}}
    made = await api.merge(Pod, "web", debug, subresource="ephemeralcontainers")
    assert made["spec"]["ephemeralContainers"][0]["name"] == "debug"
    with pytest.raises(Invalid, match="pod updates may not change fields other than"):
        await api.merge(Pod, "web", {"spec": {"ephemeralContainers": []}})
    with pytest.raises(Invalid, match="may not be removed"):
        await api.merge(Pod, "web", {"spec": {"ephemeralContainers": []}}, subresource="ephemeralcontainers")
    twice = {"spec": {"ephemeralContainers": [*made["spec"]["ephemeralContainers"], {"name": "main", "image": "x"}]}}
    with pytest.raises(Invalid, match="Duplicate value"):
        await api.merge(Pod, "web", twice, subresource="ephemeralcontainers")


def amounts(cpu: str | None = None, memory: str | None = None) -> dict[str, Any]:
    return {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}


async def resize(api: Any, containers: list[dict[str, Any]], **spec: Any) -> Any:
    return await api.merge(Pod, "web", {"spec": {"containers": containers, **spec}}, subresource="resize")


BURSTABLE = {"requests": amounts("100m", "32Mi"), "limits": amounts("200m", "64Mi")}


async def test_a_resize_changes_cpu_and_memory_and_nothing_else(api: Any, pod: dict[str, Any]) -> None:
    (main,) = pod["spec"]["containers"]
    main["resources"] = BURSTABLE
    made = await api.create(Pod, pod)
    more = {"requests": amounts("150m", "64Mi"), "limits": amounts("300m", "128Mi")}
    done = await resize(api, [{**main, "image": "other", "resources": more}], activeDeadlineSeconds=5)
    wanted = made["spec"]
    wanted["containers"][0]["resources"] = more
    assert done["spec"] == wanted, "what else a body changes is passed over"
    assert done["metadata"]["generation"] == made["metadata"]["generation"] + 1
    assert done["status"] == made["status"]


@pytest.mark.parametrize(
    ("resources", "refusal"),
    [
        (
            {"requests": amounts("300m"), "limits": amounts("200m", "64Mi")},
            '.resources.requests: Invalid value: "300m": must be less than or equal to cpu limit of 200m',
        ),
        (
            {"requests": amounts("100m", "32Mi"), "limits": amounts("200m")},
            "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed",
        ),
        (
            {"requests": {"ephemeral-storage": "1Gi", **BURSTABLE["requests"]}, "limits": BURSTABLE["limits"]},
            "spec: Forbidden: only cpu and memory resources are mutable",
        ),
        (
            {"requests": BURSTABLE["limits"], "limits": BURSTABLE["limits"]},
            'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        ),
    ],
)
async def test_resizes_that_are_refused(api: Any, pod: dict[str, Any], resources: Any, refusal: str) -> None:
    """In the words of kube-apiserver 1.35."""
    (main,) = pod["spec"]["containers"]
    main["resources"] = BURSTABLE
    await api.create(Pod, pod)
    with pytest.raises(Invalid) as refused:
        await resize(api, [{**main, "resources": resources}])
    assert refusal in str(refused.value)


async def test_a_resize_adds_renames_and_removes_no_container(api: Any, pod: dict[str, Any]) -> None:
    (main,) = pod["spec"]["containers"]
    pod["spec"]["initContainers"] = [{"name": "before", "image": "app:1"}]
    await api.create(Pod, pod)
    with pytest.raises(Invalid, match=r"spec\.containers: Forbidden: containers may not be added or removed on resize"):
        await resize(api, [main, {"name": "more", "image": "app:1"}])
    with pytest.raises(Invalid, match=r"spec\.initContainers: Forbidden: initContainers may not be added or removed"):
        await resize(api, [main], initContainers=[])
    with pytest.raises(Invalid, match="containers may not be renamed or reordered on resize"):
        await resize(api, [{**main, "name": "other"}])
    with pytest.raises(Invalid, match="resources for non-sidecar init containers are immutable"):
        await resize(
            api, [main], initContainers=[{"name": "before", "image": "app:1", "resources": {"requests": amounts("1")}}]
        )
    with pytest.raises(Invalid, match="only cpu and memory resources are mutable"):
        await resize(api, [{**main, "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "RestartContainer"}]}])
