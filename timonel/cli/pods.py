"""Finds the pods, and the containers in them, that a command is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from timonel.cli import targets
from timonel.cli.awaiting import pods_of
from timonel.cli.context import Session
from timonel.cli.errors import CliError

Object = dict[str, Any]
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


async def find(session: Session, what: Sequence[str], selector: str = "") -> list[Object]:
    """The pods that are named, selected by labels, or belong to the workloads that are named, by name.

    Raises:
        CliError: it is neither, or both, or there are no pods.
    """
    if bool(what) == bool(selector):
        raise CliError("name a pod or a workload such as deploy/web, or select pods by -l; not both")
    if selector:
        found = (await session.client.kind("pods").list(session.namespace, labels=selector)).items
    else:
        wanted = targets.named(await session.client.discover(), what, default="pod")
        found = [pod for ref in targets.refs(wanted, session.namespace) for pod in await _named(session, ref)]
    if not found:
        raise CliError(f"there are no such pods in the namespace {session.namespace}")
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


async def _named(session: Session, ref: targets.Ref) -> list[Object]:
    obj = await targets.read(session, ref)
    if ref.resource.plural == "pods":
        return [obj]
    selector = (obj.get("spec") or {}).get("selector")
    if not selector:
        raise CliError(f"{ref} has no pods")
    plain = ref.resource.plural in ("services", "replicationcontrollers")
    workload = {"spec": {"template": {}, "selector": {"matchLabels": selector} if plain else selector}}
    listing = await session.client.kind("pods").list(session.namespace)
    pods = {("", str(pod["metadata"]["name"])): pod for pod in listing.items}
    return pods_of(workload, pods)


def containers(pod: Object) -> list[str]:
    """The names of all containers, those that run first before the others."""
    spec = pod["spec"]
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [str(container["name"]) for kind in kinds for container in spec.get(kind) or ()]


def default_container(pod: Object) -> tuple[str, str]:
    """The container that is meant where none is named, and a remark for the user if there was a choice."""
    names = [str(container["name"]) for container in pod["spec"]["containers"]]
    annotated = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    chosen = annotated if annotated in names else names[0]
    remark = f"Defaulted container {chosen!r} out of: {', '.join(containers(pod))}" if len(containers(pod)) > 1 else ""
    return chosen, remark.replace("'", '"')
