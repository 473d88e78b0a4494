"""What a pod asks for while it is resized."""

from timonel.api import codec
from timonel.api.podresources import granted, requests
from timonel.api.types import core_v1


def test_a_resize_that_can_never_be_counts_for_nobody() -> None:
    pod = codec.convert(
        core_v1.Pod,
        {
            "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1000"}}}, {"name": "d"}]},
            "status": {
                "conditions": [{"type": "PodResizePending", "status": "True", "reason": "Deferred"}],
                "containerStatuses": [
                    {"name": "c", "image": "", "imageID": "", "ready": True, "restartCount": 0,
                     "allocatedResources": {"cpu": "100m"}}
                ],
            },
        },
    )  # fmt: skip
    assert requests(granted(pod)) == {"cpu": 1_000_000}, "room is kept for what may still come"
    pod.status.conditions[0].reason = "Infeasible"
    assert requests(granted(pod)) == {"cpu": 100}
    assert requests(pod.spec) == {"cpu": 1_000_000}
