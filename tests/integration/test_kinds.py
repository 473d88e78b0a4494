"""The built-in kinds as kubectl knows them: made by its own commands, and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kubectl

EXAMPLES = Path(__file__).parents[2] / "manifests" / "examples"
MAKE = [
    "autoscale deployment web --min=1 --max=3 --cpu-percent=50",
    "create quota q --hard=pods=2,requests.cpu=1",
    "create poddisruptionbudget b --selector=app=web --min-available=1",
    "create ingress i --rule=a.example.com/=web:80",
    "create cronjob c --image=busybox:1.35.0 --schedule=*/5~*~*~*~* -- true",
    "create job j --from=cronjob/c",
    "create role r --verb=get --resource=pods",
    "create rolebinding rb --role=r --user=jane",
    "create clusterrole cr --verb=get --resource=nodes",
    "create clusterrolebinding crb --clusterrole=cr --group=crew",
    "create priorityclass p --value=5",
]


async def make(cluster: Any, line: str) -> str:
    words: list[str] = [word.replace("~", " ") for word in line.split()]
    made: str = await cluster.kubectl(*words)
    return made


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("   ") if cell.strip()] for line in text.strip().splitlines()]


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
@pytest.mark.kubectl(min="1.25")  # those before make and describe versions that Kubernetes has given up
async def test_kubectl_makes_and_shows_the_kinds(cluster: Any) -> None:
    await cluster.kubectl("create", "deployment", "web", "--image=app:1", "--replicas=0")
    for line in MAKE:
        assert (await make(cluster, line)).split()[-1] in ("created", "autoscaled")
    [header, row] = table(await cluster.kubectl("get", "hpa"))
    assert header == ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert row[1:5] == ["Deployment/web", "cpu: <unknown>/50%", "1", "3"]
    [header, row] = table(await cluster.kubectl("get", "cj"))
    assert header == ["NAME", "SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE"]
    assert row[:6] == ["c", "*/5 * * * *", "<none>", "False", "0", "<none>"]
    [header, row] = table(await cluster.kubectl("get", "jobs"))
    assert (header[:3], row[:3]) == (["NAME", "STATUS", "COMPLETIONS"], ["j", "Running", "0/1"])
    [header, row] = table(await cluster.kubectl("get", "pdb"))
    assert header == ["NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"]
    assert row[:4] == ["b", "1", "N/A", "0"]
    [header, row] = table(await cluster.kubectl("get", "ing"))
    assert row[:4] == ["i", "<none>", "a.example.com", "80"]
    [header, row] = table(await cluster.kubectl("get", "rolebinding", "rb", "-o", "wide"))
    assert row[:2] == ["rb", "Role/r"]
    assert "jane" in row
    await cluster.kubectl("apply", "-f", str(EXAMPLES / "event-v1.yaml"))
    for kind in ("events.v1.events.k8s.io", "events"):
        [header, row] = table(await cluster.kubectl("get", kind, "--field-selector=reason=Sighted"))
        assert header == ["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
        assert row[1:] == ["Normal", "Sighted", "pod/ship", "Land ahead"]


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
@pytest.mark.kubectl(min="1.25")
async def test_kubectl_describes_explains_and_converts(cluster: Any) -> None:
    for name in (
        "horizontalpodautoscaler",
        "storageclass",
        "persistentvolumeclaim",
        "statefulset",
        "cronjob",
        "ingress",
    ):
        await cluster.kubectl("apply", "-f", str(EXAMPLES / f"{name}.yaml"))
        assert "Name:" in await cluster.kubectl("describe", "-f", str(EXAMPLES / f"{name}.yaml"))
    first = await cluster.get("horizontalpodautoscalers.v1.autoscaling", "sails")
    assert (first["apiVersion"], first["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 70)
    assert "harbour (default)" in await cluster.kubectl("get", "sc")
    assert "scaleTargetRef" in await cluster.kubectl("explain", "hpa.spec")
    known = await cluster.kubectl("api-resources", "--no-headers", "-o", "name")
    for plural in (
        "bindings",
        "resourceslices.resource.k8s.io",
        "servicecidrs.networking.k8s.io",
        "events.events.k8s.io",
    ):
        assert plural in known.split()
    await cluster.kubectl("scale", "sts/holds", "--replicas=4")
    assert (await cluster.get("sts", "holds"))["spec"]["replicas"] == 4
    assert "cronjob.batch/watch" in await cluster.kubectl("get", "all", "-o", "name")
