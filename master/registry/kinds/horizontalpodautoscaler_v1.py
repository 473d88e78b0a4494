"""HorizontalPodAutoscalers as version 1 has them."""

from master.registry.autoscalers import to_v1, to_v2
from master.registry.faces import Face, seen_columns
from master.registry.kinds.horizontalpodautoscaler import HorizontalPodAutoscalers
from master.registry.strategy import kind
from master.registry.subresources import Status
from timonel.api.types import autoscaling_v1, autoscaling_v2


@kind(autoscaling_v1.HorizontalPodAutoscaler, plural="horizontalpodautoscalers", short=["hpa"], categories=["all"])
class FirstHorizontalPodAutoscalers(
    Face[autoscaling_v1.HorizontalPodAutoscaler, autoscaling_v2.HorizontalPodAutoscaler]
):
    """With the CPU as the only metric that has a field."""

    stored = autoscaling_v2.HorizontalPodAutoscaler
    subresources = [Status()]

    def __init__(self) -> None:
        self.columns = seen_columns(HorizontalPodAutoscalers.columns, to_v2)

    def show(self, obj: autoscaling_v2.HorizontalPodAutoscaler) -> autoscaling_v1.HorizontalPodAutoscaler:
        """See `autoscalers`."""
        return to_v1(obj)

    def put(self, view: autoscaling_v1.HorizontalPodAutoscaler) -> autoscaling_v2.HorizontalPodAutoscaler:
        """See `autoscalers`."""
        return to_v2(view)
