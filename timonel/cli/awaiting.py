"""Waits until objects are ready, and tells how far they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from timonel.api import codec, selectors
from timonel.api.types import meta_v1
from timonel.cli import readiness
from timonel.cli.errors import CliError
from timonel.cli.readiness import Progress, Stage
from timonel.cli.targets import Ref
from timonel.cli.watching import Objects, views
from timonel.client import Client
from timonel.discovery import ApiResource

Object = dict[str, Any]
Place = tuple[ApiResource, str]
"""A resource and a namespace."""


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod of an object that is waited for."""

    name: str
    progress: Progress
    trouble: str


@dataclass(frozen=True, slots=True)
class State:
    """How far an object is."""

    ref: Ref
    progress: Progress
    pods: tuple[PodState, ...] = ()


class View(Protocol):
    """Shows how far everything is."""

    def show(self, states: Sequence[State]) -> None:
        """Show these states in place of the last ones."""


async def wait_ready(client: Client, refs: Sequence[Ref], seconds: float, view: View) -> None:
    """Wait until all objects are ready, at most so long (0: for ever); the view follows each change.

    Raises:
        CliError: some are not in time, or never will be; the text says what keeps them.
    """
    states: list[State] = []
    try:
        async with asyncio.timeout(seconds or None):
            await _follow_until_decided(client, refs, states, view)
    except TimeoutError:
        raise CliError("\n".join(["timed out; not ready are:", *complaints(states)])) from None
    if any(state.progress.stage is Stage.FAILED for state in states):
        raise CliError("\n".join(["some objects have failed:", *complaints(states)]))


def complaints(states: Sequence[State]) -> list[str]:
    """What is not ready, and why: a line for each object and each of its pods."""
    lines = []
    for state in states:
        if not state.progress.ready:
            lines.append(f"{state.ref}: {state.progress.text or 'not seen yet'}")
            waiting = (pod for pod in state.pods if not pod.progress.ready)
            lines += [f"  pod/{pod.name}: {pod.trouble or pod.progress.text}" for pod in waiting]
    return lines


async def _follow_until_decided(client: Client, refs: Sequence[Ref], states: list[State], view: View) -> None:
    """Keep `states` up to date until all are ready or one has failed."""
    pods = await client.resource("pods")
    places: set[Place] = {(ref.resource, ref.namespace) for ref in refs}
    places |= {(pods, ref.namespace) for ref in refs if ref.namespace}
    seen: dict[Place, Objects] = {}
    changed = asyncio.Event()

    async def follow(place: Place) -> None:
        async with aclosing(views(client.kind(place[0]), place[1])) as snapshots:
            async for objects in snapshots:
                seen[place] = objects
                changed.set()

    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(follow(place)) for place in places]
        while not _decided(states):
            await changed.wait()
            changed.clear()
            if len(seen) == len(places):
                states[:] = [_state(ref, seen, pods) for ref in refs]
                view.show(states)
        for follower in followers:
            follower.cancel()


def _decided(states: Sequence[State]) -> bool:
    failed = any(state.progress.stage is Stage.FAILED for state in states)
    return failed or (bool(states) and all(state.progress.ready for state in states))


def _state(ref: Ref, seen: dict[Place, Objects], pods: ApiResource) -> State:
    obj = seen[ref.resource, ref.namespace].get((ref.namespace, ref.name))
    if obj is None:
        return State(ref, Progress(Stage.WAITING, "not seen yet"))
    own = pods_of(obj, seen.get((pods, ref.namespace)) or {})
    progress = readiness.progress({"kind": ref.resource.gvk.kind, **obj})
    if ref.resource.gvk.kind == "Pod" and not progress.ready and (why := readiness.trouble(obj)):
        progress = Progress(progress.stage, f"{progress.text}: {why}")
    return State(ref, progress, tuple(map(_pod_state, own)))


def pods_of(obj: Object, pods: Objects) -> list[Object]:
    """The pods that a workload selects, by name; none of what is no workload."""
    spec = obj.get("spec") or {}
    if "template" not in spec or not isinstance(spec.get("selector"), dict):
        return []
    selector = selectors.from_struct(codec.convert(meta_v1.LabelSelector, spec["selector"]))
    chosen = [pod for pod in pods.values() if selector.matches(pod["metadata"].get("labels") or {})]
    return sorted(chosen, key=lambda pod: str(pod["metadata"]["name"]))


def _pod_state(pod: Object) -> PodState:
    progress = readiness.pod(pod)
    return PodState(pod["metadata"]["name"], progress, "" if progress.ready else readiness.trouble(pod))
