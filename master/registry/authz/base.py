"""Authorisation: whether a user may do something. Authorizers are asked in turn; the first that decides has decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from master.registry.base import Resource, User
from master.registry.objects import Reader
from timonel.api import selectors
from timonel.api.errors import Forbidden
from timonel.api.types import rbac_v1


@dataclass(frozen=True, slots=True)
class Attributes:
    """What somebody asks to do: with a resource, or with a ``path`` that is none."""

    user: User
    verb: str
    resource: Resource | None = None
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""
    """Of a list or watch; the node rule reads it."""

    @property
    def scope(self) -> str:
        """The namespace that it is about; a Namespace is within itself. Empty for the cluster."""
        resource = self.resource
        if resource is not None and resource.plural == "namespaces" and not resource.gvk.group:
            return self.name
        return self.namespace

    @property
    def about(self) -> str:
        """The name of the one object that it is about; a selector may say it too. Empty for all objects."""
        if self.name or "metadata.name" not in self.field_selector:
            return self.name
        return selectors.parse_fields(self.field_selector).exact("metadata.name") or ""


class Decision(Enum):
    """An authorizer's answer."""

    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision and, for a refusal, why, in words for the user."""

    decision: Decision
    reason: str = ""


ALLOW = Verdict(Decision.ALLOW)
NO_OPINION = Verdict(Decision.NO_OPINION)


class Authorizer(Protocol):
    """One rule or set of rules."""

    def authorize(self, asked: Attributes) -> Verdict:
        """Judge by what is known in memory."""


@runtime_checkable
class ReadsObjects(Protocol):
    """An authorizer whose rules are in objects; the registry gives it a look at them."""

    def use(self, reader: Reader) -> None:
        """Judge by these objects."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a user may do, as rules, and what of it could not be found out."""

    rules: Sequence[rbac_v1.PolicyRule] = ()
    problems: Sequence[str] = ()
    incomplete: bool = False
    """Whether the user may do more than the rules say."""


@runtime_checkable
class KnowsRules(Protocol):
    """An authorizer that can say beforehand all that a user may do."""

    def rules_for(self, user: User, namespace: str) -> Rules:
        """What the user may do in a namespace, or where it is empty in the cluster."""


class Union:
    """Asks authorizers in order; what none allows is refused."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = authorizers

    def use(self, reader: Reader) -> None:
        """Let those that judge by objects see them."""
        for authorizer in self._authorizers:
            if isinstance(authorizer, ReadsObjects):
                authorizer.use(reader)

    def authorize(self, asked: Attributes) -> Verdict:
        """The first decision, or NO_OPINION with all the reasons."""
        reasons = []
        for authorizer in self._authorizers:
            verdict = authorizer.authorize(asked)
            if verdict.decision is not Decision.NO_OPINION:
                return verdict
            if verdict.reason:
                reasons.append(verdict.reason)
        return Verdict(Decision.NO_OPINION, ", ".join(reasons)) if reasons else NO_OPINION

    def rules_for(self, user: User, namespace: str) -> Rules:
        """The rules of all that know some."""
        known = [a.rules_for(user, namespace) for a in self._authorizers if isinstance(a, KnowsRules)]
        return Rules(
            [rule for found in known for rule in found.rules],
            [why for found in known for why in found.problems],
            incomplete=any(found.incomplete for found in known),
        )


def refusal(asked: Attributes, reason: str) -> Forbidden:
    """The error for what was not allowed, in Kubernetes' words."""
    user = asked.user.name
    if asked.resource is None:
        why = f'User "{user}" cannot {asked.verb} path "{asked.path}"'
        return Forbidden("", "", f"{why}: {reason}" if reason else why)
    what = f"{asked.resource.plural}/{asked.subresource}" if asked.subresource else asked.resource.plural
    why = f'User "{user}" cannot {asked.verb} resource "{what}" in API group "{asked.resource.gvk.group}"'
    if asked.scope:
        why += f' in the namespace "{asked.scope}"'
    else:
        why += " at the cluster scope"
    return Forbidden(asked.resource.group_resource, asked.about, f"{why}: {reason}" if reason else why)
