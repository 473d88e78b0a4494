"""What RBAC's rules mean: which requests they allow, and whether some rules grant more than others (Kubernetes'
pkg/registry/rbac/validation and pkg/apis/rbac/v1).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from timonel.api.fields import quoted
from timonel.api.types.rbac_v1 import PolicyRule

ALL = "*"
EVERYTHING = (
    PolicyRule(verbs=[ALL], apiGroups=[ALL], resources=[ALL]),
    PolicyRule(verbs=[ALL], nonResourceURLs=[ALL]),
)


@dataclass(frozen=True, slots=True)
class _Grant:
    """Verbs for some resource, of which only the objects in ``names`` where there are any."""

    verbs: frozenset[str]
    names: frozenset[str]

    def allows(self, verb: str, name: str) -> bool:
        return (verb in self.verbs or ALL in self.verbs) and (not self.names or name in self.names)


@dataclass(slots=True)
class CompiledRules:
    """Rules of one role, arranged so that a check is a few look-ups however many rules there are."""

    rules: Sequence[PolicyRule]
    _grants: dict[tuple[str, str], list[_Grant]] = field(default_factory=dict)
    """By API group and resource, each perhaps ``*``; a resource may be ``pods/log``, ``*/scale``."""
    _urls: list[tuple[str, frozenset[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for rule in self.rules:
            grant = _Grant(frozenset(rule.verbs), frozenset(rule.resourceNames))
            for group in set(rule.apiGroups):
                for resource in set(rule.resources):
                    self._grants.setdefault((group, resource), []).append(grant)
            self._urls += [(url, grant.verbs) for url in rule.nonResourceURLs]

    def allows_resource(self, verb: str, group: str, resource: str, subresource: str, name: str) -> bool:
        """Whether a rule allows the verb; an empty ``name`` is a request for no object in particular."""
        wanted = f"{resource}/{subresource}" if subresource else resource
        for key in (group, wanted), (group, ALL), (ALL, wanted), (ALL, ALL):
            if self._granted(key, verb, name):
                return True
        if not subresource:
            return False
        anything = f"*/{subresource}"
        return self._granted((group, anything), verb, name) or self._granted((ALL, anything), verb, name)

    def allows_path(self, verb: str, path: str) -> bool:
        """Whether a rule allows the verb for a path that is no resource."""
        return any((verb in verbs or ALL in verbs) and _url_covers(url, path) for url, verbs in self._urls)

    def _granted(self, key: tuple[str, str], verb: str, name: str) -> bool:
        grants = self._grants.get(key)
        return grants is not None and any(grant.allows(verb, name) for grant in grants)


def missing(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """What ``wanted`` grants and no rule of ``held`` does, in rules of one thing each."""
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(owner, part) for owner in held)]


def described(rules: Iterable[PolicyRule]) -> list[str]:
    """Rules of one thing each as Kubernetes' messages show them, their verbs put together, in order."""
    verbs: dict[tuple[tuple[str, tuple[str, ...]], ...], list[str]] = {}
    for rule in rules:
        about = (
            ("APIGroups", tuple(rule.apiGroups)),
            ("Resources", tuple(rule.resources)),
            ("NonResourceURLs", tuple(rule.nonResourceURLs)),
            ("ResourceNames", tuple(rule.resourceNames)),
        )
        known = verbs.setdefault(about, [])
        known += [verb for verb in rule.verbs if verb not in known]
    return sorted(_text((*about, ("Verbs", tuple(found)))) for about, found in verbs.items())


def listed(words: Iterable[str]) -> str:
    """Words as Go's %q shows a list of them."""
    return f"[{' '.join(quoted(word) for word in words)}]"


def _text(parts: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    return "{" + ", ".join(f"{name}:{listed(words)}" for name, words in parts if words) + "}"


def _parts(rule: PolicyRule) -> Iterator[PolicyRule]:
    for verb in rule.verbs:
        for url in rule.nonResourceURLs:
            yield PolicyRule(verbs=[verb], nonResourceURLs=[url])
        for group in rule.apiGroups:
            for resource in rule.resources:
                for names in [[name] for name in rule.resourceNames] or [[]]:
                    yield PolicyRule(verbs=[verb], apiGroups=[group], resources=[resource], resourceNames=names)


def _covers(owner: PolicyRule, part: PolicyRule) -> bool:
    """Whether one rule grants all that a rule of one thing grants."""
    if not _has(owner.verbs, part.verbs[0]):
        return False
    if part.nonResourceURLs:
        return any(_url_covers(url, part.nonResourceURLs[0]) for url in owner.nonResourceURLs)
    if not _has(owner.apiGroups, part.apiGroups[0]) or not _resource_covered(owner.resources, part.resources[0]):
        return False
    return not owner.resourceNames or bool(part.resourceNames and part.resourceNames[0] in owner.resourceNames)


def _has(words: Sequence[str], word: str) -> bool:
    return ALL in words or word in words


def _resource_covered(resources: Sequence[str], resource: str) -> bool:
    if _has(resources, resource):
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in resources


def _url_covers(rule: str, url: str) -> bool:
    """A rule's URL may end in ``*``; so may, of rules that are compared, the other."""
    return rule in (ALL, url) or (rule.endswith(ALL) and url.startswith(rule.rstrip(ALL)))
