"""Limits, quotas and pod security as users of kubectl meet them, with all controllers at work."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from timonel.api.errors import Forbidden

pytestmark = pytest.mark.kubectl

NAMESPACE = "team"
LIMITS = """
apiVersion: v1
kind: LimitRange
metadata: {name: limits, namespace: team}
spec: {limits: [{type: Container, default: {cpu: 200m}, defaultRequest: {cpu: 100m}, max: {cpu: "1"}}]}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: team}
spec:
  replicas: 5
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "app:1"}]
"""


async def test_a_namespace_with_limits_quota_and_pod_security(cluster: Any, eventually: Any) -> None:
    team = f"--namespace={NAMESPACE}"
    await cluster.kubectl("create", "namespace", NAMESPACE)
    await cluster.kubectl("apply", "-f", "-", stdin=LIMITS)
    await cluster.kubectl("create", "quota", "q", "--hard=pods=3,requests.cpu=1", team)
    await cluster.kubectl("apply", "-f", "-", stdin=DEPLOYMENT)

    async def used() -> Any:
        return (await cluster.get("quota", "q", team))["status"].get("used", {})

    async def uses(pods: str, cpu: str) -> bool:
        return bool(await used() == {"pods": pods, "requests.cpu": cpu})

    async def gone() -> bool:
        return (await used())["pods"] == "1"

    async def failed() -> str:
        events = await cluster.get("events", team, "--field-selector=reason=FailedCreate")
        return " ".join(event["message"] for event in events["items"])

    await eventually(lambda: uses("3", "300m"), "three pods are counted")
    why = "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"
    assert why in await eventually(failed, "the quota's refusal is told")
    pods = (await cluster.get("pods", team))["items"]
    assert [pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] for pod in pods] == ["200m"] * 3
    resize: Any = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "150m"}}}]}}
    async with cluster.client() as client:
        patch = partial(client.kind("pods").patch, NAMESPACE, pods[0]["metadata"]["name"], subresource="resize")
        await patch(resize, "strategic")
        await eventually(lambda: uses("3", "350m"), "a resize is counted")
        resize["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "950m"}, "limits": {"cpu": "950m"}}
        why = "exceeded quota: q, requested: requests.cpu=800m, used: requests.cpu=350m, limited: requests.cpu=1"
        with pytest.raises(Forbidden, match=why):
            await patch(resize, "strategic")
    await cluster.kubectl("scale", "deploy/web", "--replicas=1", team)
    await eventually(gone, "the pods that have gone are taken off")

    await cluster.kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
    refused = await cluster.kubectl("run", "root", "--image=app:1", team, fails=True)
    assert 'pods "root" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation' in refused
