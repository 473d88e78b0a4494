"""Which objects a list or watch is about: namespace, label selector, field selector."""

from collections.abc import Callable
from typing import Any

from master.registry.base import ListOptions
from master.registry.core import AnyItem
from master.registry.strategy import AnyStrategy
from timonel.api import selectors
from timonel.api.errors import BadRequest


class Selection:
    """A test of items; `everything` tells that it need not be asked."""

    def __init__(self, strategy: AnyStrategy, namespace: str, options: ListOptions) -> None:
        resource = strategy.resource
        self.prefix = f"{resource.prefix}{namespace}/" if namespace else resource.prefix
        self.labels = selectors.parse_labels(options.label_selector)
        self.fields = selectors.parse_fields(options.field_selector)
        self._values = {name: _field(strategy, name) for name in {term.field for term in self.fields.terms}}
        self.everything = self.labels.everything and not self.fields.terms

    def of_prefix(self, item: AnyItem) -> bool:
        """Whether the item is in the namespace asked for."""
        return item.key.startswith(self.prefix)

    def matches(self, item: AnyItem) -> bool:
        """Whether the selectors choose the item; the namespace is not looked at."""
        if not self.labels.everything and not self.labels.matches(item.labels):
            return False
        if not self.fields.terms:
            return True
        return self.fields.matches({name: value(item.object) for name, value in self._values.items()})


def _field(strategy: AnyStrategy, name: str) -> Callable[[Any], str]:
    """How to read a selectable field.

    Raises:
        BadRequest: the kind has no such field.
    """
    if name == "metadata.name":
        return lambda obj: obj.metadata.name or ""
    if name == "metadata.namespace" and (strategy.resource.namespaced or not strategy.selectable):
        return lambda obj: obj.metadata.namespace or ""
    if name in strategy.selectable:
        return strategy.selectable[name]
    if strategy.selectable:
        raise BadRequest(f"field label not supported: {name}")
    raise BadRequest(f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"')
