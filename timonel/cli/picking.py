"""Which objects a command line means: those named, those of manifests, or those that selectors choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from timonel.cli import applying, manifests, targets
from timonel.cli.context import Session
from timonel.cli.errors import CliError
from timonel.cli.targets import Ref


async def picked(
    session: Session, what: Sequence[str], chosen: dict[str, Any], *, bare_means_all: bool = False
) -> list[Ref]:
    """The objects that are meant.

    Args:
        what: the words of the command line.
        chosen: what `options.pick` gave.
        bare_means_all: whether a type alone means all its objects; else that must be said.

    Raises:
        CliError: it mixes the ways to say which, or says none.
    """
    found = await session.client.discover()
    selected = bool(chosen["selector"] or chosen["field_selector"] or chosen.get("everything"))
    if chosen["sources"]:
        if what or selected:
            raise CliError("name or select objects, or give manifests by -f; not both")
        loaded = manifests.load(chosen["sources"], recursive=chosen["recursive"])
        goals = applying.goals(found, loaded, session.namespace, asked=bool(session.settings.namespace))
        return [goal.ref for goal in goals]
    namespace = "" if chosen["all_namespaces"] else session.namespace
    refs: list[Ref] = []
    for target in targets.parse(found, what):
        if target.names and selected:
            raise CliError("name objects, or select them by -l, --field-selector or --all; not both")
        if not (target.names or selected or bare_means_all):
            raise CliError("say which: names, -l, --field-selector or --all")
        if target.names:
            refs += targets.refs([target], namespace)
        else:
            labels, fields = chosen["selector"], chosen["field_selector"]
            refs += await targets.select(session, target, namespace, labels=labels, fields=fields)
    return refs
