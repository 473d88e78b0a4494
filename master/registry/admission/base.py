"""Admission: rules about writes that look beyond the object itself. Plugins first change it, later judge the result.

A plugin is one module in this package with one subclass of `Plugin`, found by discovery.
"""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from master.registry import admission
from master.registry.admission_steps import Step
from master.registry.authz import base as authz
from master.registry.authz.base import Authorizer
from master.registry.base import Resource, Verb
from master.registry.objects import Call, Reader
from timonel.api.errors import Forbidden


@dataclass(slots=True)
class Attributes:
    """A write under way. ``object`` is None for a delete; ``old`` is None for a create and is read-only.

    Of a stream (CONNECT) the object is a document: its options.
    """

    call: Call
    object: Any
    old: Any
    reader: Reader
    authorizer: Authorizer
    changed_late: bool = False
    """Set by a plugin that has changed the object in ways that earlier plugins cannot foresee: all run once more."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What a plugin keeps from its first look at the write for the second, by the plugin's name."""
    beside: list[Any] = field(default_factory=list)
    """Changed copies of other objects, written in one transaction with this one: all of them, if all are as they were.
    Only for plugins that validate."""

    operation: Verb = field(init=False)
    """CREATE, UPDATE or DELETE: what happens to the object, whatever verb asked for it; or CONNECT, for streams."""

    def __post_init__(self) -> None:
        if self.call.verb is Verb.CONNECT:
            self.operation = Verb.CONNECT
        elif self.object is None:
            self.operation = Verb.DELETE
        else:
            self.operation = Verb.CREATE if self.old is None else Verb.UPDATE

    def may(self, verb: str, resource: Resource, name: str, namespace: str = "") -> bool:
        """Whether the caller may also do this, for a write that needs more than its own verb."""
        asked = authz.Attributes(self.call.user, verb, resource, namespace=namespace, name=name)
        return self.authorizer.authorize(asked).decision is authz.Decision.ALLOW

    def forbidden(self, why: str) -> Forbidden:
        """The refusal of this write."""
        return Forbidden(self.call.resource.group_resource, self.call.name, why)


class Plugin:
    """One rule. ``kinds`` and ``operations`` say which writes it sees."""

    order: ClassVar[int] = 100
    """Plugins run in ascending order."""
    kinds: ClassVar[frozenset[type[Any]] | None] = None
    """The Structs it looks at; None means all."""
    operations: ClassVar[frozenset[Verb]] = frozenset({Verb.CREATE})

    async def mutate(self, attributes: Attributes) -> None:
        """Change ``attributes.object``; must be idempotent."""

    async def validate(self, attributes: Attributes) -> None:
        """Judge the final object.

        Raises:
            StatusError: the write is refused.
        """

    def turn(self, call: Call, reader: Reader) -> AbstractAsyncContextManager[Any] | None:
        """What a creation holds until it is written, to be spared from losing races; None: nothing."""
        return None

    async def close(self) -> None:
        """Free what the plugin holds. Idempotent."""

    def sees(self, attributes: Attributes) -> bool:
        """Whether the plugin is concerned: by default with writes of the main resource only."""
        return not attributes.call.subresource and self._sees_kind(attributes)

    def _sees_kind(self, attributes: Attributes) -> bool:
        if attributes.operation not in self.operations:
            return False
        return self.kinds is None or attributes.call.resource.struct in self.kinds


P = TypeVar("P", bound=Plugin)


class Chain:
    """Plugins in their order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = sorted(plugins, key=lambda plugin: (plugin.order, type(plugin).__name__))
        self._mutating = self._with_own("mutate")
        self._validating = self._with_own("validate")
        self._turning = self._with_own("turn")

    def _with_own(self, hook: str) -> list[Plugin]:
        """The plugins that do something of their own at a step: the others need not be asked at every write."""
        return [plugin for plugin in self._plugins if getattr(type(plugin), hook) is not getattr(Plugin, hook)]

    async def mutate(self, attributes: Attributes) -> None:
        """Let each plugin change the object, and once more when one of them says so."""
        with Step("admit", attributes.operation) as step:
            await self._mutate(attributes, step)
            if attributes.changed_late:
                await self._mutate(attributes, step)

    async def _mutate(self, attributes: Attributes, step: Step) -> None:
        for plugin in self._mutating:
            if plugin.sees(attributes):
                step.comes_to(plugin)
                await plugin.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let each plugin judge the object; the first refusal ends it."""
        with Step("validate", attributes.operation) as step:
            for plugin in self._validating:
                if plugin.sees(attributes):
                    step.comes_to(plugin)
                    await plugin.validate(attributes)

    def turn(self, call: Call, reader: Reader) -> AbstractAsyncContextManager[None]:
        """Hold what the plugins want held, in their order."""
        turns = [turn for plugin in self._turning if (turn := plugin.turn(call, reader)) is not None]
        return _held(turns) if turns else nullcontext()

    def find(self, kind: type[P]) -> P | None:
        """The plugin of this class, where it is one of the chain."""
        return next((plugin for plugin in self._plugins if isinstance(plugin, kind)), None)

    async def close(self) -> None:
        """Close all plugins."""
        for plugin in self._plugins:
            await plugin.close()


@asynccontextmanager
async def _held(turns: Sequence[AbstractAsyncContextManager[Any]]) -> AsyncIterator[None]:
    async with AsyncExitStack() as held:
        for turn in turns:
            await held.enter_async_context(turn)
        yield


def load() -> Chain:
    """The chain of every plugin in this package."""
    for module in pkgutil.iter_modules(admission.__path__):
        importlib.import_module(f"{admission.__name__}.{module.name}")
    return Chain([plugin() for plugin in Plugin.__subclasses__()])
