"""ControllerRevisions."""

from collections.abc import Iterator

from master.registry.columns import Column, age
from master.registry.strategy import Strategy, kind
from master.registry.validation.common import not_negative, unchanged
from timonel.api.fields import FieldError, Path, required
from timonel.api.meta import controller_of
from timonel.api.types import apps_v1


def _controller(revision: apps_v1.ControllerRevision) -> str:
    owner = controller_of(revision)
    return f"{owner.kind.lower()}.{owner.apiVersion.rpartition('/')[0]}/{owner.name}" if owner else "<none>"


@kind(apps_v1.ControllerRevision, plural="controllerrevisions")
class ControllerRevisions(Strategy[apps_v1.ControllerRevision]):
    """Past states of what a controller makes, to go back to."""

    columns = [
        Column("Controller", _controller),
        Column("Revision", lambda revision: revision.revision),
        age(),
    ]

    def validate(self, obj: apps_v1.ControllerRevision, old: apps_v1.ControllerRevision | None) -> Iterator[FieldError]:
        """The data is there and never changes."""
        if old:
            yield from unchanged(obj, old, "data")
        elif obj.data is None:
            yield required(Path("data"), "data is mandatory")
        elif not isinstance(obj.data, dict):
            yield required(Path("data"), "data must be a valid JSON object")
        yield from not_negative(Path("revision"), obj.revision)
