"""Runtime classes: what they add to pods, and which pods they refuse."""

from typing import Any

import pytest

from timonel.api.errors import Forbidden
from timonel.api.types.core_v1 import Pod
from timonel.api.types.node_v1 import RuntimeClass

CLASS = {
    "metadata": {"name": "small"},
    "handler": "small",
    "overhead": {"podFixed": {"cpu": "100m"}},
    "scheduling": {"nodeSelector": {"kind": "small"}, "tolerations": [{"key": "small", "operator": "Exists"}]},
}


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "c:1"}], **spec}}


async def test_a_pod_gets_what_its_class_costs_and_where_it_runs(api: Any) -> None:
    await api.create(RuntimeClass, CLASS, "")
    made = await api.create(Pod, pod(runtimeClassName="small", nodeSelector={"zone": "a"}))
    assert made["spec"]["overhead"] == {"cpu": "100m"}
    assert made["spec"]["nodeSelector"] == {"zone": "a", "kind": "small"}
    assert {"key": "small", "operator": "Exists"} in made["spec"]["tolerations"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"runtimeClassName": "none"}, 'RuntimeClass "none" not found'),
        ({"overhead": {"cpu": "1"}}, "Pod Overhead set without corresponding RuntimeClass defined Overhead"),
        ({"runtimeClassName": "small", "overhead": {"cpu": "1"}}, "doesn't match RuntimeClass's defined Overhead"),
        ({"runtimeClassName": "small", "nodeSelector": {"kind": "large"}}, "conflict: runtimeClass.scheduling"),
    ],
)
async def test_pods_that_say_otherwise_are_refused(api: Any, spec: dict[str, Any], message: str) -> None:
    await api.create(RuntimeClass, CLASS, "")
    with pytest.raises(Forbidden, match=message):
        await api.create(Pod, pod(**spec))
