"""Empty a node: keep new pods off it and evict those it has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import click

from timonel.api import codec, meta
from timonel.api.errors import NotFound, TooManyRequests
from timonel.api.types import core_v1, policy_v1
from timonel.api.types.meta_v1 import DeleteOptions, ObjectMeta
from timonel.cli import completion, nodes, options
from timonel.cli.context import ApiCommand, Session, connected, deadline, warn
from timonel.cli.errors import CliError
from timonel.cli.watching import until_gone

RETRY_SECONDS = 5.0
"""How long an eviction waits that a disruption budget has put off, as kubectl does."""
MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True, slots=True)
class Rules:
    """Which pods may be evicted."""

    ignore_daemonsets: bool
    delete_emptydir_data: bool
    force: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a node's pods."""

    evict: list[core_v1.Pod]
    warnings: list[str]
    refusals: list[str]


@click.command(cls=ApiCommand)
@click.argument("names", nargs=-1, shell_complete=completion.names_of("nodes"))
@options.selector
@click.option("--ignore-daemonsets", is_flag=True, help="Leave DaemonSets' pods where they are.")
@click.option("--delete-emptydir-data", is_flag=True, help="Go on though data in emptyDir volumes is lost.")
@click.option("--force", is_flag=True, help="Evict pods too that nothing will make anew.")
@options.grace_period
@options.timeout("0s", "How long to wait for the pods to end; 0: for ever.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@connected
async def command(session: Session, names: tuple[str, ...], *, selector: str, **chosen: Any) -> None:
    """Empty nodes: keep new pods off them and evict those they have, as disruption budgets allow.

    \b
    timonel drain node-2 --ignore-daemonsets
    """
    rules = Rules(chosen["ignore_daemonsets"], chosen["delete_emptydir_data"], chosen["force"])
    for name in await nodes.chosen(session, names, selector):
        changed = False if chosen["dry_run"] else await nodes.cordon(session, name, unschedulable=True)
        click.echo(f"node/{name} {'cordoned' if changed or chosen['dry_run'] else 'already cordoned'}")
        listing = await session.client.kind(core_v1.Pod).list(fields=f"spec.nodeName={name}")
        plan = make_plan(listing.items, rules)
        if plan.refusals:
            raise CliError("\n".join([f'unable to drain node "{name}":', *plan.refusals]))
        for text in plan.warnings:
            warn(text)
        if not chosen["dry_run"]:
            late = f'timed out: pods of node "{name}" have not ended'
            await deadline(chosen["timeout"], _evict_all(session, plan.evict, chosen["grace_period"]), late)
        click.echo(f"node/{name} drained")


def make_plan(pods: list[core_v1.Pod], rules: Rules) -> Plan:
    """Decide for each pod, as kubectl's drain does."""
    plan = Plan([], [], [])
    for pod in pods:
        name = meta.key_of(pod)
        controller = meta.controller_of(pod)
        ended = pod.status.phase in ("Succeeded", "Failed")
        if MIRROR in pod.metadata.annotations:
            continue
        if controller and controller.kind == "DaemonSet":
            if rules.ignore_daemonsets:
                plan.warnings.append(f"ignoring DaemonSet-managed Pods: {name}")
            else:
                plan.refusals.append(
                    f"cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): {name}"
                )
            continue
        if not ended and not controller and not rules.force:
            plan.refusals.append(f"cannot delete Pods that declare no controller (use --force to override): {name}")
        if not ended and any(volume.emptyDir for volume in pod.spec.volumes) and not rules.delete_emptydir_data:
            plan.refusals.append(
                f"cannot delete Pods with local storage (use --delete-emptydir-data to override): {name}"
            )
        plan.evict.append(pod)
    return plan


async def _evict_all(session: Session, pods: list[core_v1.Pod], grace: int) -> None:
    async with asyncio.TaskGroup() as group:
        for pod in pods:
            group.create_task(_evict(session, pod, grace))


async def _evict(session: Session, pod: core_v1.Pod, grace: int) -> None:
    """Evict one pod and wait until it is gone."""
    namespace, name = pod.metadata.namespace, pod.metadata.name
    kind = session.client.kind("pods")
    delete = DeleteOptions(gracePeriodSeconds=grace if grace >= 0 else None)
    eviction = policy_v1.Eviction(metadata=ObjectMeta(name=name, namespace=namespace), deleteOptions=delete)
    click.echo(f"evicting pod {namespace}/{name}")
    while True:
        try:
            await kind.create(codec.to_dict(eviction), subresource="eviction")
            break
        except NotFound:
            return
        except TooManyRequests as error:
            click.echo(f"pod {namespace}/{name} is not evicted yet: {error.message}", err=True)
            await asyncio.sleep(RETRY_SECONDS)
    await until_gone(kind, namespace, name, pod.metadata.uid)
    click.echo(f"pod/{name} evicted")
