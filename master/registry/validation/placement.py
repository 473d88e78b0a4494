"""The rules of where a pod may run: node selectors, affinity, tolerations, spreading."""

from collections.abc import Iterator, Sequence

from master.registry.validation.common import obeys, one_of
from master.registry.validation.meta import validate_labels
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_supported, required
from timonel.api.types import core_v1, meta_v1

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
SPREADING = ("DoNotSchedule", "ScheduleAnyway")
NODE_FIELDS = ("metadata.name",)


def validate_placement(spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    """All of it."""
    if spec.nodeSelector:
        yield from validate_labels(spec.nodeSelector, path.child("nodeSelector"))
    if spec.affinity:
        yield from _affinity(spec.affinity, path.child("affinity"))
    if spec.tolerations:
        yield from validate_tolerations(spec.tolerations, path.child("tolerations"))
    if spec.topologySpreadConstraints:
        yield from _spread(spec.topologySpreadConstraints, path.child("topologySpreadConstraints"))


def validate_tolerations(tolerations: Sequence[core_v1.Toleration], path: Path) -> Iterator[FieldError]:
    """Tolerations as taints can be tolerated."""
    for index, toleration in enumerate(tolerations):
        at = path.index(index)
        if toleration.key:
            yield from obeys(at.child("key"), toleration.key, names.qualified)
        elif toleration.operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(at.child("operator"), toleration.operator, why)
        if toleration.tolerationSeconds is not None and toleration.effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid(at.child("effect"), toleration.effect, why)
        match toleration.operator:
            case "" | "Equal":
                faults = names.label_value(toleration.value or "")
                if faults:
                    yield invalid(at.child("operator"), toleration.value, ";".join(faults))
            case "Exists":
                if toleration.value:
                    yield invalid(
                        at.child("operator"), toleration.value, "value must be empty when `operator` is 'Exists'"
                    )
            case other:
                yield not_supported(at.child("operator"), other, ("Equal", "Exists"))
        if toleration.effect and toleration.effect not in EFFECTS:
            yield not_supported(at.child("effect"), toleration.effect, EFFECTS)


def validate_selector(selector: meta_v1.LabelSelector, path: Path) -> Iterator[FieldError]:
    """A label selector as objects carry it."""
    yield from validate_labels(selector.matchLabels, path.child("matchLabels"))
    for index, expression in enumerate(selector.matchExpressions):
        at = path.child("matchExpressions").index(index)
        match expression.operator:
            case "In" | "NotIn":
                if not expression.values:
                    yield required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
            case "Exists" | "DoesNotExist":
                if expression.values:
                    why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    yield forbidden(at.child("values"), why)
            case other:
                yield invalid(at.child("operator"), other, "not a valid selector operator")
        yield from obeys(at.child("key"), expression.key, names.qualified)
        for number, value in enumerate(expression.values):
            yield from obeys(at.child("values").index(number), value, names.label_value)


def _affinity(affinity: core_v1.Affinity, path: Path) -> Iterator[FieldError]:
    if affinity.nodeAffinity:
        yield from _node_affinity(affinity.nodeAffinity, path.child("nodeAffinity"))
    for name in ("podAffinity", "podAntiAffinity"):
        group: core_v1.PodAffinity | core_v1.PodAntiAffinity | None = getattr(affinity, name)
        if group:
            at = path.child(name)
            terms = at.child("requiredDuringSchedulingIgnoredDuringExecution")
            for index, term in enumerate(group.requiredDuringSchedulingIgnoredDuringExecution):
                yield from _pod_term(term, terms.index(index))
            wanted = at.child("preferredDuringSchedulingIgnoredDuringExecution")
            for index, weighted in enumerate(group.preferredDuringSchedulingIgnoredDuringExecution):
                yield from _weight(weighted.weight, wanted.index(index))
                yield from _pod_term(weighted.podAffinityTerm, wanted.index(index).child("podAffinityTerm"))


def _node_affinity(affinity: core_v1.NodeAffinity, path: Path) -> Iterator[FieldError]:
    needed = affinity.requiredDuringSchedulingIgnoredDuringExecution
    if needed:
        yield from validate_node_selector(needed, path.child("requiredDuringSchedulingIgnoredDuringExecution"))
    wanted = path.child("preferredDuringSchedulingIgnoredDuringExecution")
    for index, weighted in enumerate(affinity.preferredDuringSchedulingIgnoredDuringExecution):
        yield from _weight(weighted.weight, wanted.index(index))
        yield from _node_term(weighted.preference, wanted.index(index).child("preference"))


def validate_node_selector(selector: core_v1.NodeSelector, path: Path) -> Iterator[FieldError]:
    """Terms of which a node has to meet one."""
    at = path.child("nodeSelectorTerms")
    if not selector.nodeSelectorTerms:
        yield required(at, "must have at least one node selector term")
    for index, term in enumerate(selector.nodeSelectorTerms):
        yield from _node_term(term, at.index(index))
        for number, need in enumerate(term.matchExpressions):
            values = at.index(index).child("matchExpressions").index(number).child("values")
            for place, value in enumerate(need.values):
                yield from obeys(values.index(place), value, names.label_value)


def _node_term(term: core_v1.NodeSelectorTerm, path: Path) -> Iterator[FieldError]:
    for index, need in enumerate(term.matchExpressions):
        at = path.child("matchExpressions").index(index)
        yield from _node_need(need, at)
        yield from obeys(at.child("key"), need.key, names.qualified)
    for index, need in enumerate(term.matchFields):
        at = path.child("matchFields").index(index)
        if need.operator not in ("In", "NotIn"):
            yield invalid(at.child("operator"), need.operator, "not a valid selector operator")
        elif len(need.values) != 1:
            yield required(
                at.child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            )
        for number, value in enumerate(need.values if need.key in NODE_FIELDS else ()):
            yield from obeys(at.child("values").index(number), value, names.subdomain)
        if need.key not in NODE_FIELDS:
            yield invalid(at.child("key"), need.key, "not a valid field selector key")


def _node_need(need: core_v1.NodeSelectorRequirement, path: Path) -> Iterator[FieldError]:
    match need.operator:
        case "In" | "NotIn":
            if not need.values:
                yield required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if need.values:
                yield forbidden(
                    path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                )
        case "Gt" | "Lt":
            if len(need.values) != 1:
                yield required(path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'")
        case other:
            yield invalid(path.child("operator"), other, "not a valid selector operator")


def _pod_term(term: core_v1.PodAffinityTerm, path: Path) -> Iterator[FieldError]:
    if term.labelSelector:
        yield from validate_selector(term.labelSelector, path.child("labelSelector"))
    if term.namespaceSelector:
        yield from validate_selector(term.namespaceSelector, path.child("namespaceSelector"))
    yield from _keys(term.matchLabelKeys, term.labelSelector, path.child("matchLabelKeys"))
    yield from _keys(term.mismatchLabelKeys, term.labelSelector, path.child("mismatchLabelKeys"))
    for name in term.namespaces:
        yield from obeys(path.child("namespace"), name, names.label)
    if not term.topologyKey:
        yield required(path.child("topologyKey"), "can not be empty")
    yield from obeys(path.child("topologyKey"), term.topologyKey, names.qualified)


def _keys(keys: Sequence[str], selector: meta_v1.LabelSelector | None, path: Path) -> Iterator[FieldError]:
    """Labels whose values are the pod's own."""
    if keys and selector is None:
        yield forbidden(path, "must not be specified when labelSelector is not set")
        return
    for index, key in enumerate(keys):
        yield from obeys(path.index(index), key, names.qualified)


def _weight(weight: int, path: Path) -> Iterator[FieldError]:
    if not 1 <= weight <= 100:
        yield invalid(path.child("weight"), weight, "must be in the range 1-100")


def _spread(constraints: Sequence[core_v1.TopologySpreadConstraint], path: Path) -> Iterator[FieldError]:
    last = {(each.topologyKey, each.whenUnsatisfiable): index for index, each in enumerate(constraints)}
    for index, constraint in enumerate(constraints):
        at = path.index(index)
        if constraint.maxSkew <= 0:
            yield invalid(at.child("maxSkew"), constraint.maxSkew, "must be greater than zero")
        if not constraint.topologyKey:
            yield required(at.child("topologyKey"), "can not be empty")
        if constraint.whenUnsatisfiable not in SPREADING:
            yield not_supported(at.child("whenUnsatisfiable"), constraint.whenUnsatisfiable, SPREADING)
        pair = (constraint.topologyKey, constraint.whenUnsatisfiable)
        if last[pair] > index:
            yield duplicate(at.child("{topologyKey, whenUnsatisfiable}"), f"{{{', '.join(pair)}}}")
        if constraint.minDomains is not None:
            if constraint.minDomains <= 0:
                yield invalid(at.child("minDomains"), constraint.minDomains, "must be greater than zero")
            elif constraint.whenUnsatisfiable != "DoNotSchedule":
                why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {constraint.whenUnsatisfiable}"
                yield invalid(at.child("minDomains"), constraint.minDomains, why)
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            yield from one_of(at.child(field), getattr(constraint, field), ("Honor", "Ignore"), optional=True)
        yield from _keys(constraint.matchLabelKeys, constraint.labelSelector, at.child("matchLabelKeys"))
        if constraint.labelSelector:
            yield from validate_selector(constraint.labelSelector, at.child("labelSelector"))
