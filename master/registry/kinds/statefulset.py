"""StatefulSets."""

from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from master.registry.columns import Column, age
from master.registry.poddefaults import default_spec
from master.registry.scale import Scale
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Status
from master.registry.templates import container_names, images, validate_workload
from master.registry.validation.common import is_label, not_negative
from master.registry.validation.podspec import validate_template
from master.registry.validation.rollout import is_zero, share
from master.registry.volumeclaims import PENDING, default_claim_spec, validate_claim_spec
from timonel.api import names
from timonel.api.fields import FieldError, Path, forbidden, invalid, not_supported, required
from timonel.api.types import apps_v1, core_v1

SPEC = Path("spec")
ROLLING = "RollingUpdate"
IN_ORDER = "OrderedReady"
RETAIN = "Retain"
HISTORY = 10
MAY_CHANGE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


@kind(apps_v1.StatefulSet, plural="statefulsets", short=["sts"], categories=["all"])
class StatefulSets(Strategy[apps_v1.StatefulSet]):
    """Pods with names and volumes of their own that stay."""

    has_generation = True
    columns = [
        Column("Ready", lambda sts: f"{sts.status.readyReplicas}/{sts.spec.replicas}"),
        age(),
        Column("Containers", lambda sts: container_names(sts.spec.template), priority=1),
        Column("Images", lambda sts: images(sts.spec.template), priority=1),
    ]
    subresources = [Status(), Scale()]
    validate_name = staticmethod(names.label)  # its pods' host names begin with it

    def default(self, obj: apps_v1.StatefulSet, old: apps_v1.StatefulSet | None) -> None:
        """One replica, made and rolled in order; claims stay."""
        spec = obj.spec
        spec.podManagementPolicy = spec.podManagementPolicy or IN_ORDER
        strategy = spec.updateStrategy
        if not strategy.type:
            strategy.type = ROLLING
            strategy.rollingUpdate = strategy.rollingUpdate or apps_v1.RollingUpdateStatefulSetStrategy()
        if strategy.rollingUpdate and strategy.rollingUpdate.partition is None:
            strategy.rollingUpdate.partition = 0
        policy = spec.persistentVolumeClaimRetentionPolicy or apps_v1.StatefulSetPersistentVolumeClaimRetentionPolicy()
        policy.whenDeleted, policy.whenScaled = policy.whenDeleted or RETAIN, policy.whenScaled or RETAIN
        spec.persistentVolumeClaimRetentionPolicy = policy
        spec.replicas = 1 if spec.replicas is None else spec.replicas
        spec.revisionHistoryLimit = HISTORY if spec.revisionHistoryLimit is None else spec.revisionHistoryLimit
        default_spec(spec.template.spec)
        for claim in spec.volumeClaimTemplates:
            default_claim_spec(claim.spec)
            claim.status.phase = claim.status.phase or PENDING

    def prepare_create(self, obj: apps_v1.StatefulSet, call: object) -> None:
        """Nothing is known yet."""
        obj.status = apps_v1.StatefulSetStatus(availableReplicas=0)

    def validate(self, obj: apps_v1.StatefulSet, old: apps_v1.StatefulSet | None) -> Iterator[FieldError]:
        """A workload of which little may change."""
        spec = obj.spec
        yield from _policies(spec)
        for field in ("replicas", "minReadySeconds"):
            yield from not_negative(SPEC.child(field), getattr(spec, field))
        if spec.ordinals:
            yield from not_negative(SPEC.child("ordinals.start"), spec.ordinals.start)
        if spec.serviceName and old is None:
            yield from is_label(SPEC.child("serviceName"), spec.serviceName)
        same = old is not None and old.spec.volumeClaimTemplates == spec.volumeClaimTemplates
        template = old.spec.template if old and same else None
        for index, claim in enumerate(() if old else spec.volumeClaimTemplates):
            yield from validate_claim_spec(claim.spec, SPEC.child("volumeClaimTemplates").index(index).child("spec"))
        rules = partial(_template, spec.volumeClaimTemplates)
        yield from validate_workload(spec.selector, spec.template, template, SPEC, "StatefulSet", rules)
        if old and _fixed(spec) != _fixed(old.spec):
            yield forbidden(SPEC, FIXED)

    def validate_status(self, new: apps_v1.StatefulSet, old: apps_v1.StatefulSet) -> Iterator[FieldError]:
        """Counts are counts, and parts are not more than the whole."""
        status, path = new.status, Path("status")
        parts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
        for field in ("replicas", *parts, "observedGeneration", "collisionCount"):
            yield from not_negative(path.child(field), getattr(status, field))
        for field in parts:
            value = getattr(status, field) or 0
            if value > status.replicas:
                yield invalid(path.child(field), value, "cannot be greater than status.replicas")
        if status.availableReplicas > status.readyReplicas:
            why = "cannot be greater than status.readyReplicas"
            yield invalid(path.child("availableReplicas"), status.availableReplicas, why)


def _template(
    claims: Sequence[core_v1.PersistentVolumeClaim], template: core_v1.PodTemplateSpec, path: Path
) -> Iterator[FieldError]:
    """The template with the volumes that a pod gets of the claims, before its own and in place of those so named."""
    wanted = dict.fromkeys(claim.metadata.name or "" for claim in claims)
    volumes = [
        core_v1.Volume(name=name, persistentVolumeClaim=core_v1.PersistentVolumeClaimVolumeSource(claimName=name))
        for name in wanted
    ]
    volumes += [volume for volume in template.spec.volumes if volume.name not in wanted]
    spec = msgspec.structs.replace(template.spec, volumes=volumes)
    yield from validate_template(msgspec.structs.replace(template, spec=spec), path)


def _fixed(spec: apps_v1.StatefulSetSpec) -> apps_v1.StatefulSetSpec:
    """The spec without what may change."""
    empty = apps_v1.StatefulSetSpec()
    return msgspec.structs.replace(spec, **{field: getattr(empty, field) for field in MAY_CHANGE})


def _policies(spec: apps_v1.StatefulSetSpec) -> Iterator[FieldError]:
    at = SPEC.child("podManagementPolicy")
    if spec.podManagementPolicy not in (IN_ORDER, "Parallel"):
        yield invalid(at, spec.podManagementPolicy, "must be 'OrderedReady' or 'Parallel'")
    strategy = spec.updateStrategy
    at = SPEC.child("updateStrategy")
    rolling = strategy.rollingUpdate
    match strategy.type:
        case "":
            yield required(at)
        case "OnDelete":
            if rolling:
                why = "only allowed for updateStrategy 'RollingUpdate'"
                yield invalid(at.child("rollingUpdate"), rolling, why)
        case "RollingUpdate":
            if rolling:
                yield from not_negative(at.child("rollingUpdate.partition"), rolling.partition)
                if rolling.maxUnavailable is not None:
                    yield from _unavailable(rolling, at.child("rollingUpdate.maxUnavailable"))
        case other:
            parts = rolling and {"Partition": rolling.partition, "MaxUnavailable": rolling.maxUnavailable}
            yield invalid(at, {"Type": other, "RollingUpdate": parts}, "must be 'RollingUpdate' or 'OnDelete'")
    policy = spec.persistentVolumeClaimRetentionPolicy
    for field in ("whenDeleted", "whenScaled"):
        value = getattr(policy, field) if policy else RETAIN
        if value not in (RETAIN, "Delete"):
            yield not_supported(SPEC.child("persistentVolumeClaimRetentionPolicy", field), value, (RETAIN, "Delete"))


def _unavailable(rolling: apps_v1.RollingUpdateStatefulSetStrategy, path: Path) -> Iterator[FieldError]:
    value = rolling.maxUnavailable or 0
    yield from share(value, path, capped=True)
    if is_zero(value):
        yield invalid(path, value, "cannot be 0")
