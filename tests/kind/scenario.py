"""Reads scenarios: a folder each, with a `scenario.yaml` and the manifests that it names.

README.md describes the format.
"""

from __future__ import annotations

import copy
import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
FOLDER = HERE / "scenarios"
SHARED = HERE / "manifests"

Step = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is done to a cluster, step by step, and what is to come of it."""

    name: str
    folder: Path
    about: str
    needs: tuple[str, ...]
    steps: tuple[Step, ...]


def load(folder: Path) -> Scenario:
    """The scenario of a folder; raises ValueError, which names the file, when it is none."""
    file = folder / "scenario.yaml"
    text = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(text, dict) or not text.get("about") or not text.get("steps"):
        raise ValueError(f"{file}: a scenario has `about` and `steps`")
    steps = tuple(single for step in text["steps"] for single in _expanded(step))
    name = folder.relative_to(FOLDER).as_posix() if folder.is_relative_to(FOLDER) else folder.name
    return Scenario(name, folder, text["about"], tuple(text.get("needs") or ()), steps)


def find(*patterns: str) -> list[Scenario]:
    """All scenarios of which the name fits one of the patterns (of the shell; a bare word anywhere), by name."""
    scenarios = [load(file.parent) for file in sorted(FOLDER.rglob("scenario.yaml"))]
    return [one for one in scenarios if not patterns or any(_chosen(one.name, pattern) for pattern in patterns)]


def _chosen(name: str, pattern: str) -> bool:
    return fnmatch.fnmatch(name, pattern) or pattern in name


def _expanded(step: Step) -> Iterator[Step]:
    """The steps that one stands for: one each of its `for` and of its `cases`."""
    for item in step.get("for", [None]):
        for case in step.get("cases", [{}]):
            single = {key: value for key, value in step.items() if key not in ("for", "cases")} | case
            single = filled(single, {"item": item}, partly=True) if item is not None else single
            yield _waiting(single) if "wait" in single else single


def _waiting(step: Step) -> Step:
    """What `wait: X, until: Y` means: X is Y eventually, or not there where Y is `gone`."""
    until = step["until"]
    outcome = {"refused": {"code": 404}} if until == "gone" else {"expect": until}
    kept = {key: value for key, value in step.items() if key not in ("wait", "until")}
    return {"get": step["wait"], "eventually": True} | kept | outcome


def manifest(what: Any, folder: Path) -> Any:
    """The object itself, or that of the manifest `<what>.yaml` in the scenario's folder, else among the shared ones.

    Raises FileNotFoundError when there is no such manifest.
    """
    if not isinstance(what, str):
        return copy.deepcopy(what)
    files = [place / f"{what}.yaml" for place in (folder, SHARED)]
    for file in files:
        if file.exists():
            return yaml.safe_load(file.read_text(encoding="utf-8"))
    raise FileNotFoundError(f"there is neither {files[0]} nor {files[1]}")


def merged(value: Any, change: Any) -> Any:
    """The value with a JSON merge patch (RFC 7386) applied."""
    if not isinstance(change, dict):
        return change
    result = dict(value) if isinstance(value, dict) else {}
    for key, part in change.items():
        if part is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), part)
    return result


def filled(value: Any, variables: Mapping[str, Any], *, partly: bool = False) -> Any:
    """The value with each `${name}` in it replaced; a text that is nothing else takes the variable's own type.

    Raises KeyError when there is no such variable, unless `partly`, which leaves others as they are.
    """
    if isinstance(value, dict):
        return {filled(key, variables, partly=partly): filled(v, variables, partly=partly) for key, v in value.items()}
    if isinstance(value, list):
        return [filled(item, variables, partly=partly) for item in value]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        return found[0] if partly and found[1] not in variables else str(variables[found[1]])

    whole = re.fullmatch(r"\$\{([\w-]+)\}", value)
    if whole and whole[1] in variables:
        return variables[whole[1]]
    return re.sub(r"\$\{([\w-]+)\}", replaced, value)
