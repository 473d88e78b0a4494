"""The rules of priority and fairness (Kubernetes' apis/flowcontrol/validation)."""

import math
from collections.abc import Iterator, Sequence

from master.registry.validation.common import is_given, is_subdomain
from timonel.api import names
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import flowcontrol_v1 as v1

SPEC = Path("spec")
EXEMPT = "exempt"
MAX_PRECEDENCE = 10_000
MAX_QUEUES = 10_000_000
MAX_ENTROPY_BITS = 60
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}


def validate_flow_schema(spec: v1.FlowSchemaSpec, name: str) -> Iterator[FieldError]:
    """Which requests flow how: by rules in an order, told apart by user or namespace."""
    order, at = spec.matchingPrecedence, SPEC.child("matchingPrecedence")
    if order <= 0:
        yield invalid(at, order, "must be a positive value")
    if order > MAX_PRECEDENCE:
        yield invalid(at, order, f"must not be greater than {MAX_PRECEDENCE}")
    if order == 1 and name != EXEMPT:
        yield invalid(at, order, f"only the schema named '{EXEMPT}' may have matchingPrecedence 1")
    method = spec.distinguisherMethod
    if method and method.type not in ("ByNamespace", "ByUser"):
        yield not_supported(SPEC.child("distinguisherMethod", "type"), method.type, ("ByNamespace", "ByUser"))
    level, at = spec.priorityLevelConfiguration.name, SPEC.child("priorityLevelConfiguration", "name")
    yield from is_given(at, level, names.subdomain, "must reference a priority level")
    for index, rule in enumerate(spec.rules):
        yield from _rule(rule, SPEC.child("rules").index(index))


def _rule(rule: v1.PolicyRulesWithSubjects, path: Path) -> Iterator[FieldError]:
    if not rule.subjects:
        yield required(path.child("subjects"), "subjects must contain at least one value")
    for index, subject in enumerate(rule.subjects):
        yield from _subject(subject, path.child("subjects").index(index))
    if not rule.resourceRules and not rule.nonResourceRules:
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, resource in enumerate(rule.resourceRules):
        yield from _resource(resource, path.child("resourceRules").index(index))
    for index, plain in enumerate(rule.nonResourceRules):
        at = path.child("nonResourceRules").index(index)
        yield from _words(plain.verbs, VERBS, at.child("verbs"), "verbs")
        needed = "nonResourceURLs must contain at least one value"
        yield from _words(plain.nonResourceURLs, (), at.child("nonResourceURLs"), "non-resource URLs", needed)
        for number, url in enumerate(plain.nonResourceURLs):
            if not url:
                yield invalid(at.child("nonResourceURLs").index(number), url, "must not be empty")
            elif url != "*" and not url.startswith("/"):
                yield invalid(at.child("nonResourceURLs").index(number), url, "must start with slash")


def _subject(subject: v1.Subject, path: Path) -> Iterator[FieldError]:
    if subject.kind not in SUBJECTS:
        yield not_supported(path.child("kind"), subject.kind, SUBJECTS)
        return
    for kind, field in SUBJECTS.items():
        value: v1.GroupSubject | v1.UserSubject | v1.ServiceAccountSubject | None = getattr(subject, field)
        at = path.child(field)
        if kind != subject.kind:
            if value is not None:
                yield forbidden(at, f"{field} is forbidden when subject kind is not '{kind}'")
        elif value is None:
            yield required(at, f"{field} is required when subject kind is '{kind}'")
        else:
            if not value.name:
                yield required(at.child("name"))
            if isinstance(value, v1.ServiceAccountSubject):
                yield from _account(value, at)


def _account(subject: v1.ServiceAccountSubject, path: Path) -> Iterator[FieldError]:
    if subject.name and subject.name != "*":
        yield from is_subdomain(path.child("name"), subject.name)
    yield from is_given(
        path.child("namespace"), subject.namespace, names.label, "must specify namespace for service account"
    )


def _resource(rule: v1.ResourcePolicyRule, path: Path) -> Iterator[FieldError]:
    yield from _words(rule.verbs, VERBS, path.child("verbs"), "verbs")
    for field, one, all_ in ("apiGroups", "api group", "api groups"), ("resources", "resource", "resources"):
        needed = f"resource rules must supply at least one {one}"
        yield from _words(getattr(rule, field), (), path.child(field), all_, needed)
    at = path.child("namespaces")
    if not rule.namespaces and not rule.clusterScope:
        yield required(at, "resource rules that are not cluster scoped must supply at least one namespace")
    elif "*" in rule.namespaces and len(rule.namespaces) > 1:
        yield invalid(at, rule.namespaces, "if '*' is present, must not specify other namespaces")
    else:
        for index, namespace in enumerate(rule.namespaces):
            for fault in names.label(namespace) if namespace != "*" else ():
                why = f"each member of this list must be '*' or a DNS-1123 label; {fault}"
                yield invalid(at.index(index), namespace, why)


def _words(words: Sequence[str], known: Sequence[str], path: Path, what: str, needed: str = "") -> Iterator[FieldError]:
    """One at least, of those that are known where any are, and ``*`` alone."""
    if not words:
        yield required(path, needed or f"{what} must contain at least one value")
    elif "*" in words:
        if len(words) > 1:
            yield invalid(path, list(words), f"if '*' is present, must not specify other {what}")
    elif known and not set(words) <= set(known):
        yield not_supported(path, list(words), known)


def validate_level(spec: v1.PriorityLevelConfigurationSpec, name: str) -> Iterator[FieldError]:
    """How many requests of a level run at once, and what the others wait in."""
    if (name == EXEMPT) is not (spec.type == "Exempt"):
        wanted = "Exempt" if name == EXEMPT else "Limited"
        yield invalid(SPEC.child("type"), spec.type, f"type must be '{wanted}' for the level named '{name}'")
    match spec.type:
        case "Exempt":
            if spec.limited is not None:
                yield forbidden(SPEC.child("limited"), "must be nil if the type is not Limited")
            if spec.exempt is not None:
                yield from _shares(spec.exempt, SPEC.child("exempt"))
        case "Limited":
            if spec.exempt is not None:
                yield forbidden(SPEC.child("exempt"), "must be nil if the type is Limited")
            if spec.limited is None:
                yield required(SPEC.child("limited"), "must not be empty when type is Limited")
            else:
                yield from _limited(spec.limited, SPEC.child("limited"))
        case other:
            yield not_supported(SPEC.child("type"), other, ("Exempt", "Limited"))


def _shares(
    level: v1.LimitedPriorityLevelConfiguration | v1.ExemptPriorityLevelConfiguration, path: Path
) -> Iterator[FieldError]:
    shares, lent = level.nominalConcurrencyShares, level.lendablePercent
    if shares is not None and shares < 0:
        yield invalid(path.child("nominalConcurrencyShares"), shares, "must be a non-negative integer")
    if lent is not None and not 0 <= lent <= 100:
        yield invalid(path.child("lendablePercent"), lent, "must be between 0 and 100, inclusive")


def _limited(level: v1.LimitedPriorityLevelConfiguration, path: Path) -> Iterator[FieldError]:
    yield from _shares(level, path)
    borrowed = level.borrowingLimitPercent
    if borrowed is not None and borrowed < 0:
        yield invalid(path.child("borrowingLimitPercent"), borrowed, "if specified, must be a non-negative integer")
    response, at = level.limitResponse, path.child("limitResponse")
    match response.type:
        case "Reject":
            if response.queuing is not None:
                yield forbidden(at.child("queuing"), "must be nil if limited.limitResponse.type is not Limited")
        case "Queue":
            if response.queuing is None:
                yield required(at.child("queuing"), "must not be empty if limited.limitResponse.type is Limited")
            else:
                yield from _queuing(response.queuing, at.child("queuing"))
        case other:
            yield not_supported(at.child("type"), other, ("Queue", "Reject"))


def _queuing(queuing: v1.QueuingConfiguration, path: Path) -> Iterator[FieldError]:
    for field in ("queueLengthLimit", "queues", "handSize"):
        value = getattr(queuing, field)
        if value <= 0:
            yield invalid(path.child(field), value, "must be positive")
    queues, hand = queuing.queues, queuing.handSize
    if queues > MAX_QUEUES:
        yield invalid(path.child("queues"), queues, f"must not be greater than {MAX_QUEUES}")
    elif hand > queues:
        yield invalid(path.child("handSize"), hand, f"should not be greater than queues ({queues})")
    elif hand > 0 and _entropy_bits(queues, hand) > MAX_ENTROPY_BITS:
        why = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than 60"
        yield invalid(path.child("handSize"), hand, why)


def _entropy_bits(deck: int, hand: int) -> int:
    """How many random bits it takes to deal a hand: the shuffle's source has no more than 60."""
    return math.ceil(sum(math.log2(deck - dealt) for dealt in range(hand)))
