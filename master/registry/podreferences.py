"""What a pod refers to, by name. Pure."""

from collections.abc import Iterator, Set

from master.registry.objects import APIObject
from timonel.api.types import core_v1, resource_v1

_SECRET_REFERENCES = ("secretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
"""The fields of volume sources that name a Secret for nodes; the others are for controllers."""


def names_used(kind: type[APIObject], pod: core_v1.Pod) -> Set[str | None]:
    """The names of the objects of a kind that a pod refers to; none of a kind that pods do not refer to."""
    if kind is core_v1.ConfigMap:
        return config_maps_of(pod.spec)
    if kind is core_v1.Secret:
        return secrets_of(pod.spec)
    if kind is core_v1.ServiceAccount:
        return {pod.spec.serviceAccountName}
    if kind is core_v1.PersistentVolumeClaim:
        return claims_of(pod)
    if kind is resource_v1.ResourceClaim:
        named = {claim.resourceClaimName for claim in pod.spec.resourceClaims}
        return named | {claim.resourceClaimName for claim in pod.status.resourceClaimStatuses}
    return set()


def claims_of(pod: core_v1.Pod) -> set[str | None]:
    """The names of the PersistentVolumeClaims that a pod mounts, those that are made for it among them."""
    made = {f"{pod.metadata.name}-{volume.name}" for volume in pod.spec.volumes if volume.ephemeral}
    named = {volume.persistentVolumeClaim.claimName for volume in pod.spec.volumes if volume.persistentVolumeClaim}
    return {*made, *named}


def config_maps_of(spec: core_v1.PodSpec) -> set[str]:
    """The names of the ConfigMaps that a pod uses."""
    references = (
        *(volume.configMap for volume in spec.volumes),
        *(source.configMap for source in projections(spec)),
        *(source.configMapRef for source in _whole_environments(spec)),
        *(source.configMapKeyRef for source in _single_variables(spec)),
    )
    return {reference.name for reference in references if reference}


def secrets_of(spec: core_v1.PodSpec) -> set[str]:
    """The names of the Secrets that a pod uses."""
    references = (
        *spec.imagePullSecrets,
        *(source.secret for source in projections(spec)),
        *(source.secretRef for source in _whole_environments(spec)),
        *(source.secretKeyRef for source in _single_variables(spec)),
    )
    in_volumes = {name for volume in spec.volumes for _, name in secrets_in(volume)}
    return in_volumes | {reference.name for reference in references if reference}


def projections(spec: core_v1.PodSpec) -> Iterator[core_v1.VolumeProjection]:
    """What the projected volumes of a pod are made of."""
    return (source for volume in spec.volumes if volume.projected for source in volume.projected.sources)


def secrets_in(holder: core_v1.Volume | core_v1.PersistentVolumeSpec) -> Iterator[tuple[str | None, str]]:
    """The Secrets that the source of a volume, whichever it is, names: the namespace where it says one, the name."""
    for field in holder.__struct_fields__:
        source = getattr(holder, field)
        if name := getattr(source, "secretName", None):
            yield getattr(source, "secretNamespace", None), name
        for reference in (getattr(source, key, None) for key in _SECRET_REFERENCES):
            if reference and reference.name:
                yield getattr(reference, "namespace", None), reference.name


def _whole_environments(spec: core_v1.PodSpec) -> Iterator[core_v1.EnvFromSource]:
    return (source for container in _containers(spec) for source in container.envFrom)


def _single_variables(spec: core_v1.PodSpec) -> Iterator[core_v1.EnvVarSource]:
    return (each.valueFrom for container in _containers(spec) for each in container.env if each.valueFrom)


def _containers(spec: core_v1.PodSpec) -> Iterator[core_v1.Container | core_v1.EphemeralContainer]:
    yield from spec.containers
    yield from spec.initContainers
    yield from spec.ephemeralContainers
