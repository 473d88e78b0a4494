"""Show where two clusters' APIs differ, by playing the same mutilated manifests to both.

``python -m tools.compare_apis --ours KUBECONFIG --theirs KUBECONFIG [--replace] [--only TEXT] [MANIFEST ...]``

Each field of each manifest (by default of those in manifests/examples) is in turn left out, emptied, or given values
that are wrong in usual ways. The result is created on both clusters as a dry run, and the answers are compared: a
refusal's code, reason, message and causes, or the object with its defaults. With `--replace` it is put over the whole
object instead, which shows what must not change. Prints what differs and how many cases do.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import logging
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from timonel import kubeconfig
from timonel.api.errors import AlreadyExists, NotFound, StatusError
from timonel.api.gvk import GVK
from timonel.client import Client, Unreachable

EXAMPLES = Path(__file__).parents[1] / "manifests" / "examples"
NAMESPACE = "compare"
OWN = ("uid", "creationTimestamp", "resourceVersion", "managedFields")
"""Metadata that no two clusters agree on."""
WRONG_TEXTS = ("", "Not_a Name!", "x" * 300)
WRONG_NUMBERS = (-1, 0, 70000, 1 << 40)
OWN_TEXTS = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=kube-api-access-)[a-z0-9]{5}")
"""Random parts of names."""
LONG_TEXT = re.compile(f"x{{{len(WRONG_TEXTS[-1])},}}")
OBJECT = re.compile(r"value: (?=\{|\[\{)")
AT_ONCE = 8

Json = Any
Path_ = tuple[str | int, ...]
Differences = dict[str, list[str]]
"""What differs, and after which changes."""


@dataclass(frozen=True, slots=True)
class Case:
    """A manifest with one thing changed; `change` says which."""

    change: str
    body: dict[str, Json]


def cases(manifest: dict[str, Json]) -> Iterator[Case]:
    """The manifest itself, and with each of its fields changed in each way."""
    yield Case("as it is", manifest)
    for path in paths(manifest):
        if path in (("apiVersion",), ("kind",)):
            continue
        place = ".".join(map(str, path))
        yield Case(f"without {place}", changed(manifest, path, None, remove=True))
        for value in wrong(value_at(manifest, path)):
            yield Case(f"{place} = {str(value)[:40]!r}", changed(manifest, path, value))


def paths(value: Json, above: Path_ = ()) -> Iterator[Path_]:
    """Where there is a value, parents first."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*above, key)
        yield from paths(inner, (*above, key))


def wrong(value: Json) -> list[Json]:
    """Values to try in place of one."""
    match value:
        case bool():
            return [not value, None]
        case str():
            return [*WRONG_TEXTS, 7]
        case int() | float():
            return [*(number for number in WRONG_NUMBERS if number != value), "text"]
        case list():
            return [[], [*value, copy.deepcopy(value[0])], {}] if value else []
        case dict():
            return [{}, {**value, "unknownField": 1}, "text"]
        case _:
            return []


def value_at(value: Json, path: Path_) -> Json:
    """What is at a path."""
    for key in path:
        value = value[key]
    return value


def changed(manifest: dict[str, Json], path: Path_, value: Json, *, remove: bool = False) -> dict[str, Json]:
    """A copy with another value at a path, or none."""
    result = copy.deepcopy(manifest)
    holder = value_at(result, path[:-1])
    if remove:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return result


@dataclass(slots=True)
class Cluster:
    """One of the two."""

    client: Client

    async def answer(self, case: Case, name: str, *, replacing: bool) -> Json:
        """What the cluster says to a case, without what is its own: the object, or why not."""
        try:
            resource = (await self.client.discover()).of(GVK.parse(case.body["apiVersion"], case.body["kind"]))
            namespace = NAMESPACE if resource.namespaced else ""
            path = resource.path(namespace, name if replacing else "")
            query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "compare"}
            body = msgspec.json.encode(case.body)
            answer = await self.client.call("PUT" if replacing else "POST", path, query=query, body=body)
        except StatusError as error:
            refused = msgspec.to_builtins(error.status())
            if causes := (refused.get("details") or {}).get("causes"):  # Kubernetes checks some fields twice
                refused["details"]["causes"] = [each for at, each in enumerate(causes) if each not in causes[:at]]
            return {"refused": refused}
        except (LookupError, Unreachable) as error:  # Kubernetes hangs up where it meets a fault of its own
            return {"refused": str(error)}
        obj = msgspec.json.decode(OWN_TEXTS.sub(b"<own>", answer))
        for field in OWN:
            obj["metadata"].pop(field, None)
        return obj

    async def prepare(self) -> None:
        """Make the namespace that the cases live in."""
        body = msgspec.json.encode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        with suppress(AlreadyExists):
            await self.client.call("POST", "/api/v1/namespaces", body=body)

    async def store(self, manifest: dict[str, Json]) -> str:
        """Make the whole object, and give its resourceVersion."""
        resource = (await self.client.discover()).of(GVK.parse(manifest["apiVersion"], manifest["kind"]))
        path = resource.path(NAMESPACE if resource.namespaced else "")
        with suppress(AlreadyExists):
            await self.client.call("POST", path, body=msgspec.json.encode(manifest))
        return resource.path(NAMESPACE if resource.namespaced else "", manifest["metadata"]["name"])

    async def drop(self, path: str) -> None:
        """Remove what `store` made."""
        with suppress(NotFound):
            await self.client.call("DELETE", path)


def differences(ours: Json, theirs: Json, path: str = "") -> Iterator[str]:
    """Where two values differ, a line for each place."""
    words = [] if path else [_in_a_word(answer) for answer in (ours, theirs)]
    if words and words[0] != words[1]:
        yield from differences(words[0], words[1], "(answer)")
    elif isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key), theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif _plain(ours) != _plain(theirs) and not (_undecodable(ours) and _undecodable(theirs)):
        yield _difference(path, ours, theirs)


def _in_a_word(answer: Json) -> str:
    """A refusal's code and message, which say most of it."""
    if "refused" not in answer:
        return "accepted"
    refused = answer["refused"]
    return refused if isinstance(refused, str) else f"{refused.get('code')} {refused.get('message')}"


def _plain(message: Json) -> Json:
    """A message without whole objects as values: there they have the names of Go's fields, which are nobody's API."""
    if not isinstance(message, str):
        return message
    parts = OBJECT.split(message)
    return "value: <object>".join([parts[0], *(part[_json_end(part) :] for part in parts[1:])])


def _json_end(text: str) -> int:
    with suppress(ValueError):
        return json.JSONDecoder().raw_decode(text)[1]
    return 0


def _difference(path: str, ours: Json, theirs: Json) -> str:
    one, other = (LONG_TEXT.sub("xxx...", msgspec.json.encode(value).decode()) for value in (ours, theirs))
    return f"{path}\n      ours   {one}\n      theirs {other}"


def _undecodable(message: Json) -> bool:
    """Whether it says that a value has the wrong type: that ends in words of the Go decoder, which are nobody's API."""
    return isinstance(message, str) and "cannot be handled as a" in message


async def compare(
    ours: Cluster, theirs: Cluster, manifest: dict[str, Json], *, replacing: bool
) -> dict[str, list[str]]:
    """The differences over all cases of a manifest."""
    found: Differences = defaultdict(list)
    slots = asyncio.Semaphore(AT_ONCE)
    name = manifest["metadata"].get("name", "")

    async def one(case: Case) -> None:
        async with slots:
            answers = await asyncio.gather(*(each.answer(case, name, replacing=replacing) for each in (ours, theirs)))
        for difference in differences(*answers):
            found[difference].append(case.change)

    stored = []
    try:
        if replacing:
            for each in (ours, theirs):
                stored.append((each, await each.store(manifest)))  # noqa: PERF401  # what was stored is to be dropped
        async with asyncio.TaskGroup() as group:
            for case in cases(manifest):
                group.create_task(one(case))
    except (LookupError, StatusError) as error:
        found[f"(not stored) {error}"].append("as it is")
    finally:
        for each, path in stored:
            await each.drop(path)
    return found


def manifests(files: Iterable[Path]) -> Iterator[tuple[str, dict[str, Json]]]:
    """Each document of the files."""
    for file in files:
        for document in yaml.safe_load_all(file.read_text()):
            if document:
                document["metadata"].pop("namespace", None)
                for subject in {"involvedObject", "regarding"} & document.keys():  # which an event has to be beside
                    document[subject]["namespace"] = NAMESPACE
                yield file.stem, document


async def run(options: argparse.Namespace) -> int:
    """Compare; how many cases differ."""
    files: Sequence[Path] = options.manifest or sorted(EXAMPLES.glob("*.yaml"))
    total = 0
    async with Client(kubeconfig.load(options.ours)) as first, Client(kubeconfig.load(options.theirs)) as second:
        ours, theirs = Cluster(first), Cluster(second)
        for cluster in (ours, theirs):
            await cluster.prepare()
        for name, manifest in manifests(files):
            if options.only in name:
                found = await compare(ours, theirs, manifest, replacing=options.replace)
                found = {
                    text: changes
                    for text, changes in found.items()
                    if not any(ignored in text.splitlines()[0] for ignored in options.ignore)
                }
                show(name, manifest, found)
                total += len({change for changes in found.values() for change in changes})
    sys.stdout.write(f"\n{total} cases differ\n")
    return total


def show(name: str, manifest: dict[str, Json], found: Differences) -> None:
    """Write a manifest's differences, the most frequent first."""
    sys.stdout.write(f"\n== {manifest['apiVersion']} {manifest['kind']} ({name}): {len(found)} differences\n")
    for difference, changes in sorted(found.items(), key=lambda item: -len(item[1])):
        sys.stdout.write(f"  {len(changes):3} x {changes[0]}\n      at {difference[:1200]}\n")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=Path, required=True, metavar="KUBECONFIG")
    parser.add_argument("--theirs", type=Path, required=True, metavar="KUBECONFIG")
    parser.add_argument("--replace", action="store_true", help="replace the whole object instead of creating one")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the manifests whose file name has this")
    ignore_help = "no differences at places whose path has this (may be repeated)"
    parser.add_argument("--ignore", action="append", default=[], metavar="TEXT", help=ignore_help)
    parser.add_argument("manifest", nargs="*", type=Path)
    logging.basicConfig(level=logging.WARNING)
    return 1 if asyncio.run(run(parser.parse_args())) else 0


if __name__ == "__main__":
    sys.exit(main())
