"""The audit policy: how much is written down of which requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path

import msgspec
import yaml

from master.configuration import ConfigurationError
from master.registry.base import User

API_VERSION = "audit.k8s.io/v1"


class Level(IntEnum):
    """How much of a request is written down."""

    NONE = 0
    METADATA = 1
    """Who asked for what and when, and the answer's code."""
    REQUEST = 2
    """And the request's object."""
    REQUEST_RESPONSE = 3
    """And the answer's."""


LEVELS = {
    "None": Level.NONE,
    "Metadata": Level.METADATA,
    "Request": Level.REQUEST,
    "RequestResponse": Level.REQUEST_RESPONSE,
}


class Stage(StrEnum):
    """When something is written down."""

    REQUEST_RECEIVED = "RequestReceived"
    RESPONSE_STARTED = "ResponseStarted"
    """Of long answers only: watches, logs, exec."""
    RESPONSE_COMPLETE = "ResponseComplete"
    PANIC = "Panic"


class PolicyError(ConfigurationError):
    """A policy file cannot be used."""


class GroupResources(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Resources of one API group; none named: all."""

    group: str = ""
    resources: Sequence[str] = ()
    resourceNames: Sequence[str] = ()


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said applies to requests of which everything that is named is true."""

    level: str
    users: Sequence[str] = ()
    userGroups: Sequence[str] = ()
    verbs: Sequence[str] = ()
    resources: Sequence[GroupResources] = ()
    namespaces: Sequence[str] = ()
    nonResourceURLs: Sequence[str] = ()
    omitStages: Sequence[Stage] = ()
    omitManagedFields: bool | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    rules: Sequence[Rule]
    metadata: dict[str, object] = {}
    omitStages: Sequence[Stage] = ()
    omitManagedFields: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What a policy looks at in a request."""

    user: User
    verb: str
    path: str
    is_resource: bool = False
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a request is written down."""

    level: Level
    omitted: frozenset[Stage] = frozenset()
    omit_managed_fields: bool = False


NOT_AT_ALL = Judgement(Level.NONE)


class Policy:
    """The rules, in order; the first that matches decides, and what none matches is not written down."""

    def __init__(self, rules: Sequence[Rule], omit: Sequence[Stage] = (), *, omit_managed_fields: bool = False) -> None:
        self._rules = [
            (
                rule,
                Judgement(
                    LEVELS[rule.level],
                    frozenset([*omit, *rule.omitStages]),
                    omit_managed_fields if rule.omitManagedFields is None else rule.omitManagedFields,
                ),
            )
            for rule in rules
        ]

    def judge(self, subject: Subject) -> Judgement:
        """How a request is written down."""
        return next((judgement for rule, judgement in self._rules if _matches(rule, subject)), NOT_AT_ALL)


def load(path: Path) -> Policy:
    """The policy in a YAML file.

    Raises:
        PolicyError: it holds none.
        OSError: it cannot be read.
    """
    try:
        file = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _File)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise PolicyError(f"audit policy {path}: {error}") from error
    if (file.apiVersion, file.kind) != (API_VERSION, "Policy"):
        raise PolicyError(f"audit policy {path}: it must be a Policy of {API_VERSION}")
    if not file.rules:
        raise PolicyError(f"audit policy {path}: it has no rules; to write nothing down give no policy")
    for index, rule in enumerate(file.rules):
        if rule.level not in LEVELS:
            known = ", ".join(LEVELS)
            raise PolicyError(f"audit policy {path}: rules[{index}].level is {rule.level!r}; it must be one of {known}")
        if rule.nonResourceURLs and (rule.resources or rule.namespaces):
            raise PolicyError(
                f"audit policy {path}: rules[{index}] is about both resources and nonResourceURLs; split it in two"
            )
    return Policy(file.rules, file.omitStages, omit_managed_fields=file.omitManagedFields)


def _matches(rule: Rule, subject: Subject) -> bool:
    if rule.users and subject.user.name not in rule.users:
        return False
    if rule.userGroups and not set(rule.userGroups) & set(subject.user.groups):
        return False
    if rule.verbs and subject.verb not in rule.verbs:
        return False
    if rule.resources or rule.namespaces:
        return subject.is_resource and _matches_resource(rule, subject)
    if rule.nonResourceURLs:
        return not subject.is_resource and any(_matches_path(url, subject.path) for url in rule.nonResourceURLs)
    return True


def _matches_resource(rule: Rule, subject: Subject) -> bool:
    if rule.namespaces and subject.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_among(chosen, subject) for chosen in rule.resources)


def _among(chosen: GroupResources, subject: Subject) -> bool:
    if chosen.group != subject.group:
        return False
    if not chosen.resources:
        return True
    if chosen.resourceNames and subject.name not in chosen.resourceNames:
        return False
    exact = f"{subject.resource}/{subject.subresource}" if subject.subresource else subject.resource
    accepted = {"*", exact, f"{subject.resource}/*"}
    if subject.subresource:
        accepted.add(f"*/{subject.subresource}")
    return bool(accepted & set(chosen.resources))


def _matches_path(rule: str, path: str) -> bool:
    return rule in ("*", path) or (rule.endswith("*") and path.startswith(rule[:-1]))
