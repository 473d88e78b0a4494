"""Plays scenarios against a cluster."""

from __future__ import annotations

import asyncio
import json
import secrets
import shlex
import shutil
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import yaml

from tests.kind.cluster import Answer, Cluster, Headers
from tests.kind.matching import differences, value_at
from tests.kind.scenario import Scenario, Step, filled, manifest, merged

WAIT_SECONDS = 60.0
EVENT_SECONDS = 15.0
POLL_SECONDS = 0.1
ATTEMPTS = 10
PATCHES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
APPLY = "application/apply-patch+yaml"
NAMESPACE: Mapping[str, Any] = {"apiVersion": "v1", "kind": "Namespace"}


class Failed(AssertionError):
    """A cluster did not do what a scenario expects; the text says in which step, and how it differs."""


class Stale(Failed):
    """A step is marked as one where Timonel differs, and it does not."""


class Skipped(Exception):
    """A scenario cannot be played on this cluster; the text says why."""


async def play(scenario: Scenario, cluster: Cluster) -> None:
    """Play a scenario in a namespace of its own, and remove what it made.

    Raises:
        Failed: the cluster did not do what is expected.
        Skipped: the cluster lacks what the scenario needs.
    """
    if "nodes" in scenario.needs and not await cluster.has_nodes():
        raise Skipped("needs nodes that run pods, and this cluster has none that is ready")
    if "streaming-lists" in scenario.needs and not await cluster.streams_lists():
        raise Skipped("needs watches that begin with a list, which this cluster's etcd is too old for")
    if "kubectl" in scenario.needs and shutil.which("kubectl") is None:
        raise Skipped("needs kubectl, which is not here (Debian: kubernetes-client)")
    async with AsyncExitStack() as cleanup:
        player = Player(scenario, cluster, cleanup)
        await player.make_namespace()
        for number, step in enumerate(scenario.steps, 1):
            try:
                await player.take(step)
            except Failed as failure:
                raise Failed(f"{scenario.name}, step {number} {_brief(step)}:\n{failure}") from None


class Player:
    """Takes the steps of one scenario."""

    def __init__(self, scenario: Scenario, cluster: Cluster, cleanup: AsyncExitStack) -> None:
        self.cluster = cluster
        self.variables: dict[str, Any] = {"namespace": f"kind-{secrets.token_hex(4)}"}
        self._folder = scenario.folder
        self._cleanup = cleanup
        self._watches: dict[str, aiohttp.StreamReader] = {}
        self._made: set[str] = set()
        self._verbs: Mapping[str, Callable[[Step], Coroutine[Any, Any, Answer | None]]] = {
            "create": self._create,
            "apply": self._apply,
            "replace": self._replace,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "get": self._get,
            "list": self._get,
            "watch": self._watch,
            "events": self._events,
            "request": self._request,
            "kubectl": self._kubectl,
        }

    async def make_namespace(self) -> None:
        """Make the scenario's namespace, ready for pods."""
        name = self.variables["namespace"]
        answer = await self.cluster.send("POST", "/api/v1/namespaces", body={**NAMESPACE, "metadata": {"name": name}})
        _expect_success(answer)
        self._remove_at_end(f"/api/v1/namespaces/{name}")
        await self.take({"get": "serviceaccounts/default", "eventually": True})

    async def take(self, step: Step) -> None:
        """Take one step, and compare what came of it; one that is to be so `eventually` again and again.

        Raises Failed.
        """
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            try:
                return await self._attempt(filled(step, self.variables))
            except Stale:
                raise
            except Failed as failure:
                if not step.get("eventually"):
                    raise
                if asyncio.get_running_loop().time() > deadline:
                    raise Failed(f"after {WAIT_SECONDS:g} s still not as expected:\n{failure}") from None
            await asyncio.sleep(POLL_SECONDS)

    async def _attempt(self, step: Step) -> None:
        verb = next((name for name in self._verbs if name in step), None)
        if verb is None:
            raise Failed(f"the step has none of {', '.join(self._verbs)}")
        answer = await self._verbs[verb](step)
        if answer is None:
            return
        if "differs" in step and await self.cluster.is_timonel():
            _compare_unlike(step, answer)
        else:
            _compare(step, answer)
        for variable, path in (step.get("save") or {}).items():
            self.variables[variable] = value_at(answer.body, path)

    # What a step may do

    async def _create(self, step: Step) -> Answer:
        """POST an object: to its kind, or to the subresource that `at` names."""
        obj = self._object(step, "create")
        path = await self._path(step["at"], step) if "at" in step else await self._path_of(obj, step, named=False)
        return await self._write("POST", path, obj, step, "application/json")

    async def _apply(self, step: Step) -> Answer:
        """Server-side apply, as the field manager of the query or `scenario`."""
        obj = self._object(step, "apply")
        path = await self._path(step["at"], step) if "at" in step else await self._path_of(obj, step)
        query = {"fieldManager": "scenario", **step.get("query", {})}
        return await self._write("PATCH", path, obj, {**step, "query": query}, APPLY)

    async def _replace(self, step: Step) -> Answer:
        """PUT an object."""
        obj = self._object(step, "replace")
        path = await self._path(step["at"], step) if "at" in step else await self._path_of(obj, step)
        return await self._write("PUT", path, obj, step, "application/json")

    async def _update(self, step: Step) -> Answer:
        """Read, change by `with`, and PUT; again where another was quicker."""
        path = await self._path(step["update"], step)
        for _ in range(ATTEMPTS):
            old = await self.cluster.send("GET", path)
            _expect_success(old)
            answer = await self._write("PUT", path, merged(old.body, step["with"]), step, "application/json")
            if answer.code != 409:
                break
        return answer

    async def _patch(self, step: Step) -> Answer:
        """PATCH by what stands under `json`, `merge` or `strategic`."""
        kind = next((name for name in PATCHES if name in step), None)
        if kind is None:
            raise Failed(f"a patch has one of {', '.join(PATCHES)}")
        return await self._write("PATCH", await self._path(step["patch"], step), step[kind], step, PATCHES[kind])

    async def _delete(self, step: Step) -> Answer:
        """DELETE an object or a collection, with the options of `body`."""
        return await self._write("DELETE", await self._path(step["delete"], step), step.get("body"), step)

    async def _get(self, step: Step) -> Answer:
        """GET an object or a collection."""
        return await self._write("GET", await self._path(step.get("get") or step["list"], step), None, step)

    async def _request(self, step: Step) -> Answer:
        """Any request: `METHOD /path`, with a `body` as it is or as JSON."""
        method, _, path = step["request"].partition(" ")
        return await self._write(method, path, step.get("body"), step)

    async def _watch(self, step: Step) -> None:
        """Begin a watch, to be read by `events`."""
        query = {"watch": "true", "timeoutSeconds": "60", **step.get("query", {})}
        opening = self.cluster.open("GET", await self._path(step["watch"], step), query, None, _headers(step))
        response = await self._cleanup.enter_async_context(opening)
        if response.status != 200:
            raise Failed(f"the watch was refused: {response.status} {await response.text()}")
        self._watches[step.get("name", "watch")] = response.content

    async def _events(self, step: Step) -> None:
        """Read as many events of a watch as are expected, and compare; `end` expects that it ends then."""
        stream = self._watches[step["events"]]
        for expected in step.get("expect", ()):
            event = json.loads(await self._line(stream, f"the event {expected}"))
            problems = list(differences(expected, event))
            if problems:
                raise Failed("\n".join([*problems, f"the event: {json.dumps(event)}"]))
            for variable, path in (step.get("save") or {}).items():
                self.variables[variable] = value_at(event, path)
        if step.get("end") and (line := await self._line(stream, "the end")):
            raise Failed(f"expected the watch to end, got {line!r}")

    @staticmethod
    async def _line(stream: aiohttp.StreamReader, what: str) -> bytes:
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                return await stream.readline()
        except TimeoutError:
            raise Failed(f"after {EVENT_SECONDS:g} s still not: {what}") from None

    async def _kubectl(self, step: Step) -> None:
        """Run kubectl, with `stdin` as a manifest; compare its `output` and whether it `fails`."""
        arguments = ["-n", self.variables["namespace"], *shlex.split(step["kubectl"])]
        config = [f"--kubeconfig={self.cluster.config}"] if self.cluster.config else []
        stdin = yaml.safe_dump(self._object(step, "stdin")) if "stdin" in step else ""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "kubectl", *config, *arguments, stdin=pipe, stdout=pipe, stderr=pipe
        )
        async with asyncio.timeout(WAIT_SECONDS):
            out, err = await process.communicate(stdin.encode())
        text = (out + err).decode()
        if bool(process.returncode) != bool(step.get("fails")):
            raise Failed(f"kubectl exited {process.returncode}: {text}")
        problems = list(differences(step.get("output", {"$any": True}), text))
        if problems:
            raise Failed("\n".join(problems))

    # How

    def _object(self, step: Step, verb: str) -> Any:
        obj = filled(manifest(step[verb], self._folder), self.variables)
        return merged(obj, step["with"]) if "with" in step else obj

    async def _path_of(self, obj: Any, step: Step, *, named: bool = True) -> str:
        """Where an object is, or is created."""
        resource = await self.cluster.resource(f"{obj['apiVersion']}/{obj['kind']}")
        meta = obj.get("metadata") or {}
        namespace = step.get("in") or meta.get("namespace") or self.variables["namespace"]
        return resource.path(namespace, meta["name"] if named else "")

    async def _path(self, target: str, step: Step) -> str:
        """Where `resource[/name[/subresource]]` is, in the namespace `in`, by default the scenario's own."""
        word, *rest = target.split("/")
        resource = await self.cluster.resource(word)
        return "/".join([resource.path(step.get("in", self.variables["namespace"])), *rest])

    async def _write(self, method: str, path: str, body: Any, step: Step, content_type: str = "") -> Answer:
        headers = _headers(step)
        if content_type:
            headers.setdefault("Content-Type", content_type)
        query = {name: str(value) for name, value in (step.get("query") or {}).items()}
        answer = await self.cluster.send(method, path, query=query, body=body, headers=headers)
        if answer.code in (200, 201) and method in ("POST", "PUT", "PATCH") and "dryRun" not in query:
            await self._remember(answer.body)
        return answer

    async def _remember(self, made: Any) -> None:
        """Have what was made outside of the scenario's namespace removed at the end."""
        meta = made.get("metadata", {}) if isinstance(made, dict) else {}
        if "uid" in meta and meta["uid"] not in self._made and meta.get("namespace") != self.variables["namespace"]:
            self._made.add(meta["uid"])
            resource = await self.cluster.resource(f"{made['apiVersion']}/{made['kind']}")
            self._remove_at_end(resource.path(meta.get("namespace", ""), meta["name"]))

    def _remove_at_end(self, path: str) -> None:
        self._cleanup.push_async_callback(self.cluster.send, "DELETE", path)


def _headers(step: Step) -> Headers:
    """The headers of a step, and those that say who takes it."""
    headers = Headers(step.get("headers") or {})
    user = step.get("user") or {}
    user = {"name": user} if isinstance(user, str) else user
    if user:
        headers["Impersonate-User"] = user["name"]
    for group in user.get("groups", ()):
        headers.add("Impersonate-Group", group)
    if "token" in step:
        headers["Authorization"] = f"Bearer {step['token']}"
    return headers


def _compare(step: Step, answer: Answer) -> None:
    """Raise Failed unless the answer is what the step expects: success, or the refusal that it describes."""
    problems = []
    if "refused" in step:
        status = answer.body if isinstance(answer.body, dict) else {"message": answer.body}
        details = status.get("details") or {}
        refusal = {**status, "code": answer.code, "details": details, "causes": details.get("causes")}
        problems = list(differences(step["refused"], refusal))
    else:
        if answer.code >= 400:
            raise Failed(f"expected success, was refused: {json.dumps(answer.body)}")
        problems = list(differences(step.get("expect", {"$any": True}), answer.body))
    problems += differences(step.get("code", answer.code), answer.code, "code")
    problems += differences(step.get("warnings", list(answer.warnings)), list(answer.warnings), "warnings")
    problems += differences(step.get("answer-headers", {}), dict(answer.headers), "answer-headers")
    if problems:
        raise Failed("\n".join([*problems, f"the answer: {answer.code} {json.dumps(answer.body)}"]))


def _compare_unlike(step: Step, answer: Answer) -> None:
    """See that a step where Timonel is known to differ has not become right unnoticed."""
    try:
        _compare(step, answer)
    except Failed:
        return
    raise Stale(f"Timonel does as Kubernetes does here: take the mark away (differs: {step['differs']})")


def _expect_success(answer: Answer) -> None:
    if answer.code >= 400:
        raise Failed(f"expected success, was refused: {json.dumps(answer.body)}")


def _brief(step: Step) -> str:
    name, value = next(iter(step.items()))
    return f"({name}: {value if isinstance(value, str) else (value or {}).get('kind', '')})"
