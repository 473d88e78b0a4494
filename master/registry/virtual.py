"""Reading of resources that are computed, not stored."""

from master.registry.base import ListOptions, ListResult
from master.registry.core import Core
from master.registry.objects import Call
from timonel.api import codec, selectors
from timonel.api.errors import NoSuchMethod, NotFound


class Virtuals:
    """Get and list, without authorisation."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get(self, call: Call) -> bytes:
        """One object as wire bytes."""
        source = self._core.strategy(call.resource).virtual
        if source is None:
            raise NoSuchMethod
        found = source.read(self._core.sources, call.namespace, call.name)
        if found is None:
            raise NotFound(call.resource.group_resource, call.name)
        return codec.encode(found)

    def list(self, call: Call, options: ListOptions) -> ListResult:
        """All objects that the label selector chooses; paging does not apply."""
        source = self._core.strategy(call.resource).virtual
        if source is None:
            raise NoSuchMethod
        wanted = selectors.parse_labels(options.label_selector)
        found = [
            obj for obj in source.read_all(self._core.sources, call.namespace) if wanted.matches(obj.metadata.labels)
        ]
        return ListResult([codec.encode(obj) for obj in found], revision=0)
