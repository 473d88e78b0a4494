"""The plugin that asks plugin functions, and keeps the server whole when one of them fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from master.metrics import Counter
from master.registry.admission.base import Attributes, Plugin
from master.registry.admission.functions.calling import Caller, TooSlow
from master.registry.admission.functions.loading import Loaded, State, entry_point_loaders, files_of, load_file
from master.registry.admission.matching import is_exempt
from master.registry.admission.webhooks.changing import become, check_identity
from master.registry.base import Verb
from timonel.admission import Denied, Request, User
from timonel.api import codec
from timonel.api.errors import InternalError
from timonel.tasks import end

log = logging.getLogger(__name__)

LOOK_AGAIN = 0.5
"""Seconds between looks at the folder."""
LOAD_SECONDS = 10.0
"""How long the import of a file may take."""

Report = Callable[[str, str], None]
"""Told of what fails: which file or function, and why."""

FAILURES = Counter(
    "timonel_admission_plugin_failures_total", "Failures of admission plugins in Python.", ["plugin", "reason"]
)


class Functions(Plugin):
    """Asks functions in their order; until `use` is called there are none."""

    order: ClassVar[int] = 895
    """After the built-in plugins and policies that change objects, before webhooks."""
    operations = frozenset({Verb.CREATE, Verb.UPDATE, Verb.DELETE})

    def __init__(self) -> None:
        self._caller = Caller()
        self._sources: dict[str, list[Loaded]] = {}
        self._functions: list[Loaded] = []
        self._files: dict[Path, State] = {}
        self._report: Report = lambda name, why: None
        self._task: asyncio.Task[None] | None = None

    async def use(self, folder: Path | None, report: Report) -> None:
        """Load what is behind entry points and in the folder, and follow the folder from then on."""
        self._report = report
        for name, load in entry_point_loaders().items():
            await self._load(name, load)
        if folder is not None:
            await self._look(folder)
            self._task = asyncio.create_task(self._follow(folder), name="admission plugins")

    async def close(self) -> None:
        """Follow the folder no longer."""
        task, self._task = self._task, None
        if task is not None:
            await end([task])

    def sees(self, attributes: Attributes) -> bool:
        """Every write, subresources too, that a function wants to see."""
        return not is_exempt(attributes.call.resource) and any(self._concerned(attributes))

    async def mutate(self, attributes: Attributes) -> None:
        """Let functions change the object, once a write."""
        if attributes.memory.setdefault(type(self).__name__, False):
            return
        attributes.memory[type(self).__name__] = True
        for loaded in self._concerned(attributes):
            if loaded.hook.changes:
                await self._change(loaded, attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let functions judge the object."""
        for loaded in self._concerned(attributes):
            if not loaded.hook.changes:
                await self._ask(loaded, attributes)

    async def _change(self, loaded: Loaded, attributes: Attributes) -> None:
        obj = attributes.object
        new = await self._ask(loaded, attributes)
        if new is None:
            return
        if type(new) is not type(obj):
            self._failed(loaded, f"it returned a {type(new).__name__}, not a {type(obj).__name__}")
            return
        check_identity(obj, new, f'admission plugin "{loaded.name}"')
        if become(attributes, new):
            attributes.changed_late = True

    async def _ask(self, loaded: Loaded, attributes: Attributes) -> Any:
        """The object after the function; None where the function failed, and that is ignored.

        Raises:
            Forbidden: the function denies the write.
            InternalError: it failed.
        """
        request = _request(attributes)
        try:
            returned = await self._caller.call(loaded.name, loaded.hook.seconds, loaded.function, request)
        except Denied as denial:
            raise attributes.forbidden(f'admission plugin "{loaded.name}" denied the request: {denial}') from None
        except TooSlow as error:
            self._failed(loaded, str(error), "timeout")
            return None
        except Exception as error:  # whatever a plugin raises is its own failure, not the server's
            log.debug("admission plugin %s failed", loaded.name, exc_info=error)
            self._failed(loaded, f"{type(error).__name__}: {error}")
            return None
        for text in request.warnings:
            attributes.call.warn(str(text))
        return request.object if returned is None else returned

    def _failed(self, loaded: Loaded, why: str, reason: str = "error") -> None:
        FAILURES.add(1, loaded.name, reason)
        log.error("admission plugin %s failed: %s", loaded.name, why)
        self._report(loaded.name, why)
        if loaded.hook.failure_policy != "Ignore":
            raise InternalError(f'admission plugin "{loaded.name}" failed: {why}')

    def _concerned(self, attributes: Attributes) -> Iterator[Loaded]:
        if not self._functions:
            return iter(())
        call, operation = attributes.call, attributes.operation.upper()
        resource = call.resource.group_resource + (f"/{call.subresource}" if call.subresource else "")
        return (loaded for loaded in self._functions if loaded.hook.concerns(resource, operation))

    # Loading

    async def _follow(self, folder: Path) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            await self._look(folder)

    async def _look(self, folder: Path) -> None:
        """Load the files that are new or another, forget those that are gone."""
        try:
            files = await asyncio.to_thread(files_of, folder)
        except OSError as error:
            if self._files or self._task is None:
                log.error("the admission plugins in %s cannot be read: %s", folder, error)
            files = {}
        for path in self._files.keys() - files.keys():
            log.info("admission plugins of %s are gone", path.name)
            self._sources.pop(path.name, None)
        for path, state in files.items():
            if self._files.get(path) != state:
                await self._load(path.name, lambda path=path: load_file(path))  # type: ignore[misc]
        self._files = files
        self._arrange()

    async def _load(self, name: str, load: Callable[[], list[Loaded]]) -> None:
        """Load one source; where it fails, what was loaded from it before stays."""
        try:
            self._sources[name] = await self._caller.call(name, LOAD_SECONDS, load)
        except Exception as error:  # noqa: BLE001  # a plugin that cannot be imported leaves the server as it is
            why = f"it cannot be loaded: {type(error).__name__}: {error}"
            kept = "; its functions stay as they were" if self._sources.get(name) else ""
            FAILURES.add(1, name, "import")
            log.error("admission plugin %s: %s%s", name, why, kept)
            self._report(name, why + kept)
        else:
            found = ", ".join(loaded.name for loaded in self._sources[name]) or "none"
            log.info("admission plugins of %s: %s", name, found)
        self._arrange()

    def _arrange(self) -> None:
        every = [loaded for source in self._sources.values() for loaded in source]
        self._functions = sorted(every, key=lambda loaded: (loaded.hook.order, loaded.name))


def _request(attributes: Attributes) -> Request:
    call, user = attributes.call, attributes.call.user
    return Request(
        operation=attributes.operation.upper(),
        resource=call.resource.group_resource,
        subresource=call.subresource,
        namespace=call.namespace,
        name=call.name,
        object=None if attributes.object is None else codec.copy(attributes.object),
        old=None if attributes.old is None else codec.copy(attributes.old),
        user=User(user.name, user.uid, user.groups, user.extra),
        dry_run=call.dry_run,
    )
