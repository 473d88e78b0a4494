"""RuntimeClasses."""

from collections.abc import Iterator

import msgspec

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import is_label, repeats, unchanged
from master.registry.validation.meta import validate_labels
from master.registry.validation.placement import validate_tolerations
from master.registry.validation.resources import validate_totals
from timonel.api.fields import FieldError, Path, duplicate
from timonel.api.types import node_v1


@kind(node_v1.RuntimeClass, plural="runtimeclasses", namespaced=False)
class RuntimeClasses(Strategy[node_v1.RuntimeClass]):
    """A way to run containers, what it costs, and the nodes that have it."""

    create_on_update = True
    unconditional_update = False
    columns = [Column("Handler", lambda runtime: runtime.handler), age()]

    def validate(self, obj: node_v1.RuntimeClass, old: node_v1.RuntimeClass | None) -> Iterator[FieldError]:
        """A handler that stays, and nodes that can be selected."""
        yield from is_label(Path("handler"), obj.handler)
        if obj.overhead:
            yield from validate_totals(obj.overhead.podFixed, Path("overhead.limits"))
        if obj.scheduling:
            yield from _scheduling(obj.scheduling, Path("scheduling"))
        if old:
            yield from unchanged(obj, old, "handler")


def _scheduling(scheduling: node_v1.Scheduling, path: Path) -> Iterator[FieldError]:
    yield from validate_labels(scheduling.nodeSelector, path.child("nodeSelector"))
    at = path.child("tolerations")
    yield from validate_tolerations(scheduling.tolerations, at)
    again = repeats(map(msgspec.structs.astuple, scheduling.tolerations))
    for index, toleration in enumerate(scheduling.tolerations):
        if again[index]:
            yield duplicate(at.index(index), toleration)
