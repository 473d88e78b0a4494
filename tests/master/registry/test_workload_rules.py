"""The rules of workloads, a row each: an example, changed by a merge patch, and what is said of it."""

from typing import Any

import pytest


def container(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "i", **fields}]}


def job(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def indexed(**spec: Any) -> dict[str, Any]:
    return {"spec": {"completionMode": "Indexed", **spec}}


def failure(**rule: Any) -> dict[str, Any]:
    return {"spec": {"podFailurePolicy": {"rules": [rule]}}}


ANY = {"onPodConditions": [{"type": "DisruptionTarget"}]}


def exit_codes(**codes: Any) -> dict[str, Any]:
    return failure(action="Ignore", onExitCodes={"operator": "In", "values": [1], **codes})


CREATED = [
    ("statefulset", {"spec": {"podManagementPolicy": "Odd"}}, "must be 'OrderedReady' or 'Parallel'"),
    ("statefulset", {"spec": {"replicas": -1}}, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
    ("statefulset", {"spec": {"ordinals": {"start": -1}}}, "spec.ordinals.start: Invalid value: -1"),
    ("statefulset", {"spec": {"updateStrategy": {"type": "Odd"}}}, "must be 'RollingUpdate' or 'OnDelete'"),
    (
        "statefulset",
        {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}}},
        "only allowed for updateStrategy 'RollingUpdate'",
    ),
    (
        "statefulset",
        {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": -1}}}},
        "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1",
    ),
    (
        "statefulset",
        {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Odd"}}},
        'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Odd"',
    ),
    ("statefulset", {"metadata": {"name": "a.b"}}, "metadata.name: Invalid value"),
    ("statefulset", {"spec": {"selector": None}}, "spec.selector: Required value"),
    (
        "statefulset",
        {"spec": {"template": {"spec": {"activeDeadlineSeconds": 5}}}},
        "activeDeadlineSeconds in StatefulSet is not Supported",
    ),
    ("statefulset", {"spec": {"volumeClaimTemplates": None}}, 'volumeMounts[0].name: Not found: "cargo"'),
    (
        "statefulset",
        {"spec": {"volumeClaimTemplates": [{"metadata": {"name": "cargo"}}]}},
        "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required",
    ),
    ("controllerrevision", {"data": "text"}, "data: Required value: data must be a valid JSON object"),
    ("daemonset", {"spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}, "`selector` does not match template"),
    ("daemonset", {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}}, 'supported values: "Always"'),
    ("daemonset", {"spec": {"updateStrategy": {"type": "Odd"}}}, 'supported values: "RollingUpdate", "OnDelete"'),
    (
        "daemonset",
        {"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}}},
        "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
    ),
    (
        "daemonset",
        {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}}},
        "maxUnavailable: Required value: cannot be 0 when maxSurge is 0",
    ),
    (
        "daemonset",
        {"spec": {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}},
        "must not be greater than 100%",
    ),
    ("replicationcontroller", {"spec": {"template": None}}, "spec.template: Required value"),
    ("replicationcontroller", {"spec": {"selector": {"app": "x"}}}, "`selector` does not match template `labels`"),
    ("replicationcontroller", {"spec": {"template": {"metadata": None}}}, "spec.selector: Required value"),
    ("podtemplate", {"template": {"spec": {"containers": []}}}, "template.spec.containers: Required value"),
    ("job", job(template={"spec": {"restartPolicy": None}}), 'Required value: valid values: "OnFailure", "Never"'),
    ("job", job(parallelism=-1), "spec.parallelism: Invalid value: -1"),
    ("job", job(completionMode="Odd"), 'spec.completionMode: Unsupported value: "Odd"'),
    ("job", indexed(completions=None), "spec.completions: Required value: when completion mode is Indexed"),
    ("job", indexed(parallelism=100_001), "must be less than or equal to 100000 when completion mode is Indexed"),
    ("job", job(backoffLimitPerIndex=1), "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion"),
    ("job", indexed(maxFailedIndexes=1), "backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
    ("job", indexed(maxFailedIndexes=9, backoffLimitPerIndex=1), "must be less than or equal to completions"),
    ("job", job(managedBy="me"), 'must be a domain-prefixed path (such as "acme.io/foo")'),
    ("job", job(selector={"matchLabels": {"a": "b"}}), "`selector` not auto-generated"),
    ("job", job(manualSelector=True), "spec.selector: Required value"),
    ("job", job(podReplacementPolicy="Odd"), 'supported values: "Failed", "TerminatingOrFailed"'),
    ("job", job(successPolicy={"rules": [{"succeededCount": 1}]}), "requires indexed completion mode"),
    ("job", indexed(successPolicy={"rules": []}), "at least one rules must be specified"),
    ("job", indexed(successPolicy={"rules": [{}]}), "at least one of succeededCount or succeededIndexes"),
    ("job", indexed(successPolicy={"rules": [{"succeededCount": 9}]}), "must be less than or equal to 3"),
    ("job", failure(action="Odd", **ANY), 'spec.podFailurePolicy.rules[0].action: Unsupported value: "Odd"'),
    ("job", failure(action="FailIndex", **ANY), "requires the backoffLimitPerIndex to be set"),
    ("job", failure(action="Ignore"), "specifying one of OnExitCodes and OnPodConditions is required"),
    ("job", exit_codes(values=[0]), "values[0]: Invalid value: 0: must not be 0 for the In operator"),
    ("job", exit_codes(values=[2, 1]), "must be ordered"),
    ("job", exit_codes(values=[1, 1]), "onExitCodes.values[1]: Duplicate value: 1"),
    ("job", exit_codes(values=[]), "at least one value is required"),
    ("job", exit_codes(containerName="x"), "must be one of the container or initContainer names in the pod template"),
    (
        "job",
        {"spec": {**failure(action="Ignore", **ANY)["spec"], "template": {"spec": {"restartPolicy": "OnFailure"}}}},
        'only "Never" is supported when podFailurePolicy is specified',
    ),
    ("cronjob", {"spec": {"schedule": ""}}, "spec.schedule: Required value"),
    ("cronjob", {"spec": {"schedule": "* * * *"}}, "expected exactly 5 fields, found 4: [* * * *]"),
    ("cronjob", {"spec": {"schedule": "TZ=UTC * * * * *"}}, "cannot use TZ or CRON_TZ in schedule"),
    ("cronjob", {"spec": {"timeZone": ""}}, "timeZone must be nil or non-empty string"),
    ("cronjob", {"spec": {"timeZone": "Local"}}, "timeZone must be an explicit time zone"),
    ("cronjob", {"spec": {"timeZone": "Mars/Base"}}, "unknown time zone Mars/Base"),
    ("cronjob", {"spec": {"timeZone": "../etc/passwd"}}, "unknown time zone ../etc/passwd"),
    ("cronjob", {"spec": {"concurrencyPolicy": "Odd"}}, 'supported values: "Allow", "Forbid", "Replace"'),
    ("cronjob", {"spec": {"failedJobsHistoryLimit": -1}}, "spec.failedJobsHistoryLimit: Invalid value: -1"),
    ("cronjob", {"metadata": {"name": "x" * 53}}, "must be no more than 52 characters"),
    (
        "cronjob",
        {"spec": {"jobTemplate": {"spec": {"selector": {"matchLabels": {"a": "b"}}}}}},
        "spec.jobTemplate.spec.selector: Invalid value",
    ),
    ("poddisruptionbudget", {"spec": {"maxUnavailable": 1}}, "minAvailable and maxUnavailable cannot be both set"),
    ("poddisruptionbudget", {"spec": {"minAvailable": "x"}}, "spec.minAvailable: Invalid value"),
    ("poddisruptionbudget", {"spec": {"minAvailable": -1}}, "must be greater than or equal to 0"),
    ("poddisruptionbudget", {"spec": {"unhealthyPodEvictionPolicy": "Odd"}}, '"AlwaysAllow", "IfHealthyBudget"'),
]


@pytest.mark.parametrize(("name", "change", "message"), CREATED)
async def test_what_is_refused(examples: Any, name: str, change: Any, message: str) -> None:
    assert message in await examples.refusal(name, change)


FIXED = "updates to statefulset spec for fields other than 'replicas'"
CHANGED = [
    ("statefulset", {"spec": {"serviceName": "other"}}, FIXED),
    ("statefulset", {"spec": {"podManagementPolicy": "Parallel"}}, FIXED),
    ("statefulset", {"spec": {"volumeClaimTemplates": []}}, FIXED),
    ("daemonset", {"spec": {"selector": {"matchLabels": {"app": "x"}}}}, "spec.selector: Invalid value"),
    ("job", {"spec": {"completions": 9}}, "spec.completions: Invalid value: 9: field is immutable"),
    ("job", {"spec": {"completionMode": "Indexed"}}, "spec.completionMode: Invalid value"),
    ("job", {"spec": {"template": {"spec": {"nodeName": "n"}}}}, "spec.template: Invalid value"),
    ("job", {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}, "spec.template: Invalid value"),
]


@pytest.mark.parametrize(("name", "change", "message"), CHANGED)
async def test_what_stays(examples: Any, name: str, change: Any, message: str) -> None:
    await examples.create(name)
    assert message in await examples.change_refusal(name, change)


STATUSES = [
    ("statefulset", {"replicas": 1, "readyReplicas": 2}, "cannot be greater than status.replicas"),
    ("statefulset", {"replicas": 2, "availableReplicas": 1}, "cannot be greater than status.readyReplicas"),
    ("daemonset", {"numberReady": -1}, "status.numberReady: Invalid value: -1"),
    ("replicationcontroller", {"replicas": 1, "readyReplicas": 2}, "cannot be greater than status.replicas"),
    ("poddisruptionbudget", {"disruptionsAllowed": -1}, "status.disruptionsAllowed: Invalid value: -1"),
    ("job", {"succeeded": -1}, "status.succeeded: Invalid value: -1"),
    ("job", {"completionTime": "2026-01-02T03:04:05Z"}, "completionTime cannot be set when there is no Complete=True"),
    ("job", {"conditions": [{"type": "Complete", "status": "True"}]}, "completionTime is required for Complete jobs"),
]


@pytest.mark.parametrize(("name", "status", "message"), STATUSES)
async def test_statuses_that_do_not_add_up(examples: Any, name: str, status: Any, message: str) -> None:
    await examples.create(name)
    assert message in await examples.change_refusal(name, {"status": status}, "status")


async def test_what_may_change(examples: Any) -> None:
    await examples.create("statefulset")
    changed = await examples.change(
        "statefulset", {"spec": {"replicas": 3, "minReadySeconds": 2, "ordinals": {"start": 1}}}
    )
    assert changed["metadata"]["generation"] == 2
    await examples.create("job", {"spec": {"suspend": True}})
    held = await examples.change(
        "job", {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}, "parallelism": 1}}
    )
    assert held["spec"]["template"]["spec"]["nodeSelector"] == {"a": "b"}
    await examples.change("job", {"status": {"startTime": "2026-01-02T03:04:05Z"}}, "status")
    assert "field is immutable" in await examples.change_refusal(
        "job", {"spec": {"template": {"spec": {"nodeSelector": None}}}}
    )


async def test_an_elastic_job(examples: Any) -> None:
    await examples.create("job", indexed(completions=2, parallelism=2))
    assert (await examples.change("job", job(completions=3, parallelism=3)))["spec"]["completions"] == 3
    assert "field is immutable" in await examples.change_refusal("job", job(completions=4))


async def test_defaults(examples: Any) -> None:
    sts = (await examples.create("statefulset"))["spec"]
    assert sts["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert sts["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert (sts["podManagementPolicy"], sts["revisionHistoryLimit"]) == ("OrderedReady", 10)
    assert sts["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem"
    ds = (await examples.create("daemonset"))["spec"]
    assert ds["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    rc = await examples.create("replicationcontroller")
    assert rc["spec"]["selector"] == rc["metadata"]["labels"] == {"app": "rowers"}
    cj = (await examples.create("cronjob"))["spec"]
    assert (cj["successfulJobsHistoryLimit"], cj["failedJobsHistoryLimit"], cj["suspend"]) == (3, 1, False)


async def test_a_job_selects_its_own_pods(examples: Any) -> None:
    made = await examples.create("job", {"spec": {"completions": None, "parallelism": None, "backoffLimit": None}})
    uid, spec = made["metadata"]["uid"], made["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    labels = spec["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "unload"
    assert labels["controller-uid"] == uid
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert (spec["completionMode"], spec["suspend"], spec["podReplacementPolicy"]) == (
        "NonIndexed",
        False,
        "TerminatingOrFailed",
    )


async def test_a_job_ends_once(examples: Any) -> None:
    await examples.create("job")
    done = {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": "2026-01-02T03:04:05Z"}
    await examples.change("job", {"status": done}, "status")
    message = await examples.change_refusal("job", {"status": {"conditions": [], "completionTime": None}}, "status")
    assert "cannot disable the terminal complete condition" in message


@pytest.mark.parametrize("name", ["statefulset", "replicationcontroller"])
async def test_scales(examples: Any, api: Any, name: str) -> None:
    made = await examples.create(name)
    scale = await api.get(examples.kind(name), made["metadata"]["name"], subresource="scale")
    assert scale["spec"] == {"replicas": 2}
    assert scale["status"]["selector"].startswith("app=")
    await examples.change(name, {"spec": {"replicas": 5}}, "scale")
    assert (await api.get(examples.kind(name), made["metadata"]["name"]))["spec"]["replicas"] == 5


@pytest.mark.parametrize("name", ["job", "replicationcontroller"])
async def test_pods_are_orphaned_unless_told_otherwise(examples: Any, api: Any, name: str) -> None:
    made = await examples.create(name)
    await api.delete(examples.kind(name), made["metadata"]["name"])
    kept = await api.get(examples.kind(name), made["metadata"]["name"])
    assert kept["metadata"]["finalizers"] == ["orphan"]


@pytest.mark.parametrize(
    ("name", "change", "column", "shown"),
    [
        ("statefulset", {"status": {"replicas": 2, "readyReplicas": 1}}, "Ready", "1/2"),
        ("daemonset", {}, "Node Selector", "<none>"),
        (
            "daemonset",
            {"spec": {"template": {"spec": {"nodeSelector": {"b": "2", "a": "1"}}}}},
            "Node Selector",
            "a=1,b=2",
        ),
        ("replicationcontroller", {"spec": {"selector": {"app": "rowers"}}}, "Selector", "app=rowers"),
        ("job", {"status": {"succeeded": 2}}, "Completions", "2/3"),
        ("job", {"spec": {"completions": None}, "status": {"succeeded": 1}}, "Completions", "1/1 of 2"),
        ("job", {}, "Status", "Running"),
        ("job", {"status": {"conditions": [{"type": "Suspended", "status": "True"}]}}, "Status", "Suspended"),
        ("job", {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, "Status", "Failed"),
        (
            "job",
            {"status": {"startTime": "2026-01-02T03:04:05Z", "completionTime": "2026-01-02T03:06:15Z"}},
            "Duration",
            "2m10s",
        ),
        ("job", {}, "Duration", ""),
        ("cronjob", {}, "Timezone", "Europe/Lisbon"),
        ("cronjob", {}, "Last Schedule", "<none>"),
        ("cronjob", {}, "Suspend", "False"),
        ("poddisruptionbudget", {}, "Min Available", "50%"),
        ("poddisruptionbudget", {}, "Max Unavailable", "N/A"),
    ],
)
async def test_cells(examples: Any, name: str, change: Any, column: str, shown: Any) -> None:
    assert examples.cells(name, change)[column] == shown
