"""The scale subresource of a custom resource: where its numbers are, its definition says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from master.registry.scale import metadata_of
from master.registry.subresources import Projection
from timonel.api.custom import CustomObject, Document
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.types import autoscaling_v1
from timonel.api.types.apiextensions_v1 import CustomResourceSubresourceScale

_MOST = 2**31 - 1


class CustomScale(Projection[CustomObject, autoscaling_v1.Scale]):
    """Reads and writes the paths of the definition."""

    name = "scale"
    struct = autoscaling_v1.Scale
    gvk = autoscaling_v1.Scale.gvk

    def __init__(self, paths: CustomResourceSubresourceScale) -> None:
        self._spec = _steps(paths.specReplicasPath)
        self._status = _steps(paths.statusReplicasPath)
        self._selector = _steps(paths.labelSelectorPath or "")

    def read(self, obj: CustomObject) -> autoscaling_v1.Scale:
        """The object's replicas, wanted and there."""
        selector = _get(obj.content, self._selector) if self._selector else None
        return autoscaling_v1.Scale(
            metadata=metadata_of(obj.metadata),
            spec=autoscaling_v1.ScaleSpec(replicas=_whole(_get(obj.content, self._spec)) or 0),
            status=autoscaling_v1.ScaleStatus(
                replicas=_whole(_get(obj.content, self._status)) or 0,
                selector=selector if isinstance(selector, str) else "",
            ),
        )

    def write(self, view: autoscaling_v1.Scale, obj: CustomObject) -> None:
        """Set the wanted replicas."""
        obj.content = _set(obj.content, self._spec, view.spec.replicas or 0)

    def faults(self, document: Document) -> Iterator[FieldError]:
        """What of an object cannot be read as a scale."""
        for steps in (self._spec, self._status):
            value, at = _get(document, steps), Path("." + ".".join(steps))
            if isinstance(value, bool) or not isinstance(value, int):
                continue
            if value < 0:
                yield invalid(at, value, "should be a non-negative integer")
            elif value > _MOST:
                yield invalid(at, value, f"should be less than or equal to {_MOST}")


def _steps(path: str) -> list[str]:
    return [step for step in path.split(".") if step]


def _get(value: Any, steps: list[str]) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _set(value: Any, steps: list[str], new: int) -> Any:
    if not steps:
        return new
    held = value if isinstance(value, dict) else {}
    return {**held, steps[0]: _set(held.get(steps[0]), steps[1:], new)}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
