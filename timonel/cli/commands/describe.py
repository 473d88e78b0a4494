"""Describe objects in full, with what happened to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import click

from timonel.api import codec
from timonel.api.types import apps_v1, core_v1, discovery_v1
from timonel.cli import completion, options, targets
from timonel.cli.context import ApiCommand, Session, connected, tell_none
from timonel.cli.describe import generic, page, workloads
from timonel.cli.describe.node import node
from timonel.cli.describe.page import Page
from timonel.cli.describe.pod import pod
from timonel.cli.describe.service import service
from timonel.cli.eventlines import in_order
from timonel.cli.picking import picked
from timonel.cli.targets import Ref

Object = dict[str, Any]
SERVICE_LABEL = "kubernetes.io/service-name"


@click.command(cls=ApiCommand)
@click.argument("what", nargs=-1, shell_complete=completion.targets)
@options.pick
@click.option("--show-events/--no-show-events", default=True, show_default=True, help="With what happened.")
@connected
async def command(session: Session, what: tuple[str, ...], **chosen: Any) -> None:
    """Describe objects: their state, what belongs to them, and what happened to them.

    \b
    timonel describe pod web-1
    timonel describe deploy -l app=web
    """
    namespace = "" if chosen["all_namespaces"] else session.namespace
    refs = await picked(session, what, chosen, bare_means_all=True)
    if not refs:
        tell_none("resources", namespace)
    texts = [await _description(session, ref, show_events=chosen["show_events"]) for ref in refs]
    click.echo("\n\n\n".join(texts), nl=bool(texts))


async def _description(session: Session, ref: Ref, *, show_events: bool) -> str:
    obj = await targets.read(session, ref)
    written = Page()
    await _describe(session, written, ref, obj)
    if show_events:
        fields = f"involvedObject.kind={ref.resource.gvk.kind},involvedObject.name={ref.name}"
        if uid := obj["metadata"].get("uid"):
            # Events about nodes bear the node's name as uid, as kubelets report them.
            fields += "" if ref.resource.gvk.kind == "Node" else f",involvedObject.uid={uid}"
        happened = await session.client.kind("events").list(ref.namespace, fields=fields)
        page.events(written, in_order(happened.items), datetime.now(UTC))
    return written.text()


async def _describe(session: Session, written: Page, ref: Ref, obj: Object) -> None:
    """By the kind's own describer, with what that needs to know beside the object; else by the fields."""
    kind = (ref.resource.gvk.group, ref.resource.gvk.kind)
    if kind in _WITH_OTHERS:
        await _WITH_OTHERS[kind](session, written, obj)
    else:
        _ALONE.get(kind, generic.describe)(written, obj)


async def _node(session: Session, written: Page, obj: Object) -> None:
    pods = await session.client.kind(core_v1.Pod).list(fields=f"spec.nodeName={obj['metadata']['name']}")
    node(written, codec.convert(core_v1.Node, obj), pods.items)


async def _deployment(session: Session, written: Page, obj: Object) -> None:
    replica_sets = await session.client.kind(apps_v1.ReplicaSet).list(obj["metadata"]["namespace"])
    workloads.deployment(written, codec.convert(apps_v1.Deployment, obj), replica_sets.items)


async def _replica_set(session: Session, written: Page, obj: Object) -> None:
    pods = await session.client.kind(core_v1.Pod).list(obj["metadata"]["namespace"])
    workloads.replica_set(written, codec.convert(apps_v1.ReplicaSet, obj), pods.items)


async def _service(session: Session, written: Page, obj: Object) -> None:
    metadata = obj["metadata"]
    slices = await session.client.kind(discovery_v1.EndpointSlice).list(
        metadata["namespace"], labels=f"{SERVICE_LABEL}={metadata['name']}"
    )
    service(written, codec.convert(core_v1.Service, obj), slices.items)


_ALONE: dict[tuple[str, str], Callable[[Page, Object], None]] = {
    ("", "ConfigMap"): generic.config_map,
    ("", "Namespace"): generic.namespace,
    ("", "Secret"): generic.secret,
    ("", "Pod"): lambda written, obj: pod(written, codec.convert(core_v1.Pod, obj)),
}
_WITH_OTHERS: dict[tuple[str, str], Callable[[Session, Page, Object], Awaitable[None]]] = {
    ("", "Node"): _node,
    ("", "Service"): _service,
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
}
