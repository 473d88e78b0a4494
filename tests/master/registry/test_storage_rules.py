"""The rules of volumes, claims, classes, limits and quotas, a row each: an example, changed by a merge patch."""

from typing import Any

import pytest

PV, PVC, SC = "persistentvolume", "persistentvolumeclaim", "storageclass"


def limit(**item: Any) -> dict[str, Any]:
    return {"spec": {"limits": [{"type": "Container", **item}]}}


def hard(**amounts: Any) -> dict[str, Any]:
    return {"spec": {"hard": amounts}}


def scoped(*scopes: str, **amounts: Any) -> dict[str, Any]:
    kept = {"requests.cpu": None, "limits.memory": None, "count/deployments.apps": None}
    return {"spec": {"hard": {**kept, **amounts}, "scopes": list(scopes)}}


def selecting(**need: Any) -> dict[str, Any]:
    return {"spec": {"scopeSelector": {"matchExpressions": [need]}}}


CREATED = [
    (PV, {"spec": {"accessModes": []}}, "spec.accessModes: Required value"),
    (PV, {"spec": {"accessModes": ["Odd"]}}, 'spec.accessModes: Unsupported value: "Odd"'),
    (
        PV,
        {"spec": {"accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]}},
        "may not use ReadWriteOncePod with other access modes",
    ),
    (PV, {"spec": {"capacity": None}}, "spec.capacity: Required value"),
    (PV, {"spec": {"capacity": {"cpu": "1"}}}, 'supported values: "storage"'),
    (PV, {"spec": {"capacity": {"storage": "0"}}}, "spec.capacity[storage]: Invalid value"),
    (PV, {"spec": {"hostPath": None}}, "spec: Required value: must specify a volume type"),
    (
        PV,
        {"spec": {"nfs": {"server": "s", "path": "/p"}}},
        "spec.nfs: Forbidden: may not specify more than 1 volume type",
    ),
    (PV, {"spec": {"hostPath": {"path": ""}}}, "spec.hostPath.path: Required value"),
    (PV, {"spec": {"hostPath": None, "csi": {"driver": "d"}}}, "spec.csi.volumeHandle: Required value"),
    (PV, {"spec": {"hostPath": None, "local": {"path": "/p"}}}, "Local volume requires node affinity"),
    (PV, {"spec": {"nodeAffinity": {}}}, "must specify required node constraints"),
    (
        PV,
        {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": []}}}},
        "spec.nodeAffinity.required.nodeSelectorTerms: Required value: must have at least one node selector term",
    ),
    (PV, {"spec": {"persistentVolumeReclaimPolicy": "Odd"}}, '"Delete", "Recycle", "Retain"'),
    (
        PV,
        {"spec": {"persistentVolumeReclaimPolicy": "Recycle", "hostPath": {"path": "/"}}},
        "may not be 'recycle' for a hostPath mount of '/'",
    ),
    (PV, {"spec": {"volumeMode": "Odd"}}, 'supported values: "Block", "Filesystem"'),
    (PV, {"spec": {"storageClassName": "A"}}, "spec.storageClassName: Invalid value"),
    (PVC, {"spec": {"accessModes": None}}, "spec.accessModes: Required value: at least 1 access mode is required"),
    (PVC, {"spec": {"resources": None}}, "spec.resources[storage]: Required value"),
    (PVC, {"spec": {"resources": {"requests": {"storage": "-1"}}}}, "must be greater than zero"),
    (PVC, {"spec": {"volumeMode": "Odd"}}, 'spec.volumeMode: Unsupported value: "Odd"'),
    (
        PVC,
        {"spec": {"dataSourceRef": {"kind": "Odd", "name": "x"}}},
        "must be 'PersistentVolumeClaim' when referencing",
    ),
    (PVC, {"spec": {"dataSource": {"kind": "PersistentVolumeClaim"}}}, "spec.dataSource.name: Required value"),
    (
        PVC,
        {
            "spec": {
                "dataSource": {"kind": "PersistentVolumeClaim", "name": "a"},
                "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"},
            }
        },
        "must match dataSourceRef",
    ),
    (SC, {"provisioner": ""}, "provisioner: Required value"),
    (SC, {"provisioner": "a/b/c"}, "provisioner: Invalid value"),
    (SC, {"reclaimPolicy": "Odd"}, 'supported values: "Delete", "Retain"'),
    (SC, {"volumeBindingMode": "Odd"}, 'supported values: "Immediate", "WaitForFirstConsumer"'),
    (SC, {"parameters": {"": "x"}}, "parameters: Invalid value"),
    (
        SC,
        {"allowedTopologies": [{"matchLabelExpressions": [{"key": "k", "values": []}]}]},
        "allowedTopologies[0].matchLabelExpressions[0].values: Required value",
    ),
    (
        SC,
        {"allowedTopologies": [{"matchLabelExpressions": [{"key": "k", "values": ["a", "a"]}]}]},
        "matchLabelExpressions[0].values[1]: Duplicate value",
    ),
    ("volumeattributesclass", {"driverName": ""}, "driverName: Required value"),
    ("volumeattributesclass", {"parameters": None}, "parameters: Required value: must contain at least one key"),
    ("csidriver", {"metadata": {"name": "A"}}, "metadata.name: Invalid value"),
    ("csidriver", {"spec": {"volumeLifecycleModes": ["Odd"]}}, 'supported values: "Persistent", "Ephemeral"'),
    ("csidriver", {"spec": {"fsGroupPolicy": "Odd"}}, 'spec.fsGroupPolicy: Unsupported value: "Odd"'),
    (
        "csidriver",
        {"spec": {"tokenRequests": [{"audience": "a"}, {"audience": "a"}]}},
        "spec.tokenRequests[1].audience: Duplicate value",
    ),
    (
        "csidriver",
        {"spec": {"tokenRequests": [{"audience": "a", "expirationSeconds": 599}]}},
        "may not specify a duration less than 10 minutes",
    ),
    ("csinode", {"spec": {"drivers": [{"name": "d", "nodeID": ""}]}}, "spec.drivers[0].nodeID: Required value"),
    (
        "csinode",
        {"spec": {"drivers": [{"name": "d", "nodeID": "1"}, {"name": "d", "nodeID": "2"}]}},
        "spec.drivers[1].name: Duplicate value",
    ),
    (
        "csinode",
        {"spec": {"drivers": [{"name": "d", "nodeID": "1", "allocatable": {"count": -1}}]}},
        "spec.drivers[0].allocatable.count: Invalid value: -1",
    ),
    ("csistoragecapacity", {"storageClassName": ""}, 'storageClassName: Invalid value: "": a lowercase RFC 1123'),
    ("storageclass", {"volumeBindingMode": ""}, 'volumeBindingMode: Unsupported value: "": supported values: "Immed'),
    ("volumeattributesclass", {"driverName": "A b"}, 'driverName: Invalid value: "a b": name part must consist'),
    (
        "volumeattachment",
        {"spec": {"source": {"persistentVolumeName": ""}}},
        "spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName",
    ),
    ("csistoragecapacity", {"capacity": "-1"}, "capacity: Invalid value"),
    ("volumeattachment", {"spec": {"source": None}}, "must specify exactly one of inlineVolumeSpec and persistent"),
    ("volumeattachment", {"spec": {"attacher": ""}}, "spec.attacher: Required value"),
    ("volumeattachment", {"spec": {"nodeName": ""}}, "spec.nodeName: Invalid value"),
    ("runtimeclass", {"handler": "A"}, "handler: Invalid value"),
    ("runtimeclass", {"scheduling": {"tolerations": [{"key": "a"}, {"key": "a"}]}}, "scheduling.tolerations[1]: Dup"),
    ("limitrange", limit(type="Odd"), "must be a standard limit type or fully qualified"),
    (
        "limitrange",
        {"spec": {"limits": [{"type": "Pod"}, {"type": "Pod"}]}},
        'spec.limits[1].type: Duplicate value: "Pod"',
    ),
    ("limitrange", limit(type="Pod", default={"cpu": "1"}), "may not be specified when `type` is 'Pod'"),
    ("limitrange", limit(type="PersistentVolumeClaim"), "either minimum or maximum storage value is required"),
    ("limitrange", limit(min={"cpu": "2"}, max={"cpu": "1"}), "min value 2 is greater than max value 1"),
    ("limitrange", limit(default={"cpu": "2"}, max={"cpu": "1"}), "default value 2 is greater than max value 1"),
    ("limitrange", limit(min={"cpu": "2"}, default={"cpu": "1"}), "min value 2 is greater than default value 1"),
    (
        "limitrange",
        limit(defaultRequest={"cpu": "2"}, default={"cpu": "1"}),
        "default request value 2 is greater than default limit value 1",
    ),
    ("limitrange", limit(maxLimitRequestRatio={"cpu": "500m"}), "ratio 500m is less than 1"),
    (
        "limitrange",
        limit(maxLimitRequestRatio={"cpu": "3"}, min={"cpu": "1"}, max={"cpu": "2"}),
        "ratio 3 is greater than max/min = 2.000000",
    ),
    ("resourcequota", hard(odd="1"), 'spec.hard[odd]: Invalid value: "odd": must be a standard resource type or fully'),
    ("resourcequota", hard(pods="-1"), "must be greater than or equal to 0"),
    ("resourcequota", hard(pods="1500m"), "must be an integer"),
    ("resourcequota", scoped("Odd"), "unsupported scope"),
    ("resourcequota", scoped("Terminating", "NotTerminating"), "conflicting scopes"),
    ("resourcequota", scoped("BestEffort", cpu="1"), "unsupported scope applied to resource"),
    ("resourcequota", selecting(scopeName="Odd", operator="Exists"), "scopeName: Invalid value"),
    (
        "resourcequota",
        selecting(scopeName="PriorityClass", operator="In"),
        "must be at least one value when `operator`",
    ),
    (
        "resourcequota",
        selecting(scopeName="PriorityClass", operator="Exists", values=["a"]),
        "must be no value when `operator` is 'Exist'",
    ),
    ("resourcequota", selecting(scopeName="BestEffort", operator="In", values=["a"]), "must be 'Exists' when scope is"),
    ("resourcequota", selecting(scopeName="PriorityClass", operator="Odd"), "not a valid selector operator"),
]


@pytest.mark.parametrize(("name", "change", "message"), CREATED)
async def test_what_is_refused(examples: Any, name: str, change: Any, message: str) -> None:
    assert message in await examples.refusal(name, change)


CLAIM_FIXED = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName"
)
CHANGED = [
    (PV, {"spec": {"hostPath": {"path": "/other"}}}, "spec.persistentvolumesource is immutable after creation"),
    (PV, {"spec": {"volumeMode": "Block"}}, "spec.volumeMode: Invalid value"),
    (PVC, {"spec": {"accessModes": ["ReadWriteMany"]}}, CLAIM_FIXED),
    (PVC, {"spec": {"resources": {"requests": {"storage": "9Gi"}}}}, CLAIM_FIXED),
    (SC, {"provisioner": "other"}, "provisioner: Forbidden: updates to provisioner are forbidden."),
    (SC, {"parameters": None}, "parameters: Forbidden: updates to parameters are forbidden."),
    (SC, {"reclaimPolicy": "Retain"}, "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden."),
    (SC, {"volumeBindingMode": "Immediate"}, "volumeBindingMode: Invalid value"),
    ("volumeattributesclass", {"driverName": "other"}, "driverName: Forbidden: updates to driverName are forbidden."),
    ("volumeattributesclass", {"parameters": {"a": "b"}}, "updates to parameters are forbidden."),
    ("csidriver", {"spec": {"attachRequired": True}}, "spec.attachRequired: Invalid value"),
    ("csinode", {"spec": {"drivers": [{"name": "harbour.example.com", "nodeID": "x"}]}}, "field is immutable"),
    ("csistoragecapacity", {"storageClassName": "x"}, "storageClassName: Invalid value"),
    ("volumeattachment", {"spec": {"nodeName": "x"}}, "spec: Invalid value"),
    ("runtimeclass", {"handler": "x"}, 'handler: Invalid value: "x": field is immutable'),
    ("resourcequota", {"spec": {"scopes": ["NotTerminating"]}}, "spec.scopes: Invalid value"),
]


@pytest.mark.parametrize(("name", "change", "message"), CHANGED)
async def test_what_stays(examples: Any, name: str, change: Any, message: str) -> None:
    await examples.create(
        name, {"spec": {"hard": {"count/deployments.apps": None}}} if name == "resourcequota" else None
    )
    assert message in await examples.change_refusal(name, change)


async def test_a_bound_claim_grows(examples: Any) -> None:
    await examples.create(PVC)
    await examples.change(PVC, {"spec": {"volumeName": "quay"}})
    bound = {"phase": "Bound", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"]}
    await examples.change(PVC, {"status": bound}, "status")
    grown = await examples.change(PVC, {"spec": {"resources": {"requests": {"storage": "4Gi"}}}})
    assert grown["spec"]["resources"]["requests"]["storage"] == "4Gi"
    await examples.change(PVC, {"spec": {"resources": {"requests": {"storage": "3Gi"}}}})
    message = await examples.change_refusal(PVC, {"spec": {"resources": {"requests": {"storage": "1Gi"}}}})
    assert "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity" in message
    assert CLAIM_FIXED in await examples.change_refusal(PVC, {"spec": {"volumeName": "other"}})


async def test_defaults(examples: Any) -> None:
    volume = await examples.create(PV, {"spec": {"persistentVolumeReclaimPolicy": None}})
    assert (volume["spec"]["persistentVolumeReclaimPolicy"], volume["spec"]["volumeMode"]) == ("Retain", "Filesystem")
    assert volume["status"]["phase"] == "Pending"
    assert volume["status"]["lastPhaseTransitionTime"] == volume["metadata"]["creationTimestamp"]
    claim = await examples.create(PVC, {"spec": {"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}}})
    assert claim["spec"]["dataSourceRef"] == {"kind": "PersistentVolumeClaim", "name": "a"}
    assert claim["status"] == {"phase": "Pending"}
    limits = (await examples.create("limitrange", limit(max={"cpu": "2"}, min={"memory": "1Mi"})))["spec"]["limits"][0]
    assert limits["default"] == {"cpu": "2"}
    assert limits["defaultRequest"] == {"cpu": "2", "memory": "1Mi"}
    storage = await examples.create(SC, {"volumeBindingMode": None})
    assert (storage["reclaimPolicy"], storage["volumeBindingMode"]) == ("Delete", "Immediate")
    driver = (await examples.create("csidriver", {"spec": {"attachRequired": None}}))["spec"]
    assert driver["attachRequired"] is True
    assert (driver["storageCapacity"], driver["fsGroupPolicy"]) == (False, "ReadWriteOnceWithFSType")
    assert driver["volumeLifecycleModes"] == ["Persistent"]


@pytest.mark.parametrize(
    ("name", "change", "column", "shown"),
    [
        (PV, {}, "Capacity", "5Gi"),
        (PV, {"spec": {"accessModes": ["ReadWriteMany", "ReadWriteOnce"]}}, "Access Modes", "RWO,RWX"),
        (PV, {"spec": {"claimRef": {"namespace": "n", "name": "c"}}}, "Claim", "n/c"),
        (PV, {}, "VolumeAttributesClass", "<unset>"),
        (PVC, {"status": {"phase": "Pending"}}, "Status", "Pending"),
        (PVC, {"status": {"capacity": {"storage": "2Gi"}}}, "Capacity", ""),
        (PVC, {"spec": {"volumeName": "v"}, "status": {"capacity": {"storage": "2Gi"}}}, "Capacity", "2Gi"),
        (PVC, {"metadata": {"deletionTimestamp": "2026-01-02T03:04:05Z"}}, "Status", "Terminating"),
        (SC, {}, "Name", "harbour (default)"),
        (SC, {"metadata": {"annotations": None}}, "Name", "harbour"),
        (SC, {}, "AllowVolumeExpansion", True),
        ("csidriver", {}, "TokenRequests", "harbour"),
        ("csidriver", {"spec": {"tokenRequests": None}}, "TokenRequests", "<unset>"),
        ("csinode", {}, "Drivers", 1),
        (
            "resourcequota",
            {"status": {"hard": {"pods": "10", "limits.memory": "8Gi"}, "used": {"pods": "3"}}},
            "Request",
            "pods: 3/10",
        ),
        ("resourcequota", {"status": {"hard": {"limits.memory": "8Gi"}}}, "Limit", "limits.memory: 0/8Gi"),
    ],
)
async def test_cells(examples: Any, name: str, change: Any, column: str, shown: Any) -> None:
    assert examples.cells(name, change)[column] == shown
