"""The rules of a pod's spec, for pods and for pod templates (Kubernetes' apis/core/validation)."""

import ipaddress
from collections.abc import Iterator, Sequence

from master.registry.validation.common import NOWHERE, is_label, is_qualified, is_subdomain, obeys, one_of
from master.registry.validation.containers import Surroundings, validate_containers
from master.registry.validation.meta import validate_annotations, validate_labels
from master.registry.validation.placement import validate_placement
from master.registry.validation.resources import validate_pod_claims, validate_pod_resources, validate_totals
from master.registry.validation.security import validate_pod_security
from master.registry.validation.volumes import validate_volumes
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, forbidden, invalid, not_supported, required
from timonel.api.types import core_v1

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
SYSTEMS = ("linux", "windows")
LONGEST_DEADLINE = 2**31 - 1
MAX_NAMESERVERS = 3
MAX_SEARCHES = 32
MAX_SEARCH_CHARS = 2048
SPEC = Path("spec")


def validate_pod(pod: core_v1.Pod) -> Iterator[FieldError]:
    """A new pod."""
    for index, volume in enumerate(pod.spec.volumes):
        claim = f"{pod.metadata.name}-{volume.name}"
        for fault in names.subdomain(claim) if volume.ephemeral and pod.metadata.name and volume.name else ():
            yield invalid(SPEC.child("volumes").index(index).child("name"), volume.name, f'PVC name "{claim}": {fault}')
    yield from validate_spec(pod.spec, SPEC)
    if pod.spec.ephemeralContainers:
        yield forbidden(SPEC.child("ephemeralContainers"), "cannot be set on create")
    if pod.spec.schedulingGates and pod.spec.nodeName:
        yield forbidden(SPEC.child("nodeName"), "cannot be set until all schedulingGates have been cleared")


def validate_template(template: core_v1.PodTemplateSpec, path: Path) -> Iterator[FieldError]:
    """The template of pods to be."""
    yield from validate_template_metadata(template, path)
    yield from validate_spec(template.spec, path.child("spec"))
    if template.spec.ephemeralContainers:
        yield forbidden(path.child("spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template")


def validate_template_metadata(template: core_v1.PodTemplateSpec, path: Path) -> Iterator[FieldError]:
    """The labels and annotations of pods to be."""
    yield from validate_labels(template.metadata.labels, path.child("labels"))
    yield from validate_annotations(template.metadata.annotations, path.child("annotations"))


def validate_spec(spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    """All rules of a spec by itself."""
    if any(_faults(spec, NOWHERE)):
        yield from _faults(spec, path)


def _faults(spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    volumes: dict[str, core_v1.Volume] = {}
    yield from validate_volumes(spec.volumes, path.child("volumes"), volumes)
    around = Surroundings(
        volumes=volumes,
        claims={claim.name for claim in spec.resourceClaims if claim.name},
        grace=spec.terminationGracePeriodSeconds,
        host_network=bool(spec.hostNetwork),
    )
    yield from validate_pod_claims(spec.resourceClaims, path.child("resourceClaims"))
    yield from validate_containers(spec, around, path)
    if spec.resources:
        yield from validate_pod_resources(spec, path.child("resources"))
    yield from one_of(path.child("restartPolicy"), spec.restartPolicy, RESTART_POLICIES)
    yield from one_of(path.child("dnsPolicy"), spec.dnsPolicy, DNS_POLICIES)
    yield from validate_deadline(spec.activeDeadlineSeconds, path.child("activeDeadlineSeconds"))
    yield from validate_placement(spec, path)
    yield from _names(spec, path)
    if spec.securityContext:
        yield from validate_pod_security(spec, spec.securityContext, path.child("securityContext"))
    if spec.hostAliases:
        yield from _host_aliases(spec.hostAliases, path.child("hostAliases"))
    yield from _dns(spec, path)
    windows = spec.securityContext and spec.securityContext.windowsOptions
    if windows and windows.hostProcess and not spec.hostNetwork:
        why = "hostNetwork must be true if pod contains any hostProcess containers"
        yield invalid(path.child("hostNetwork"), bool(spec.hostNetwork), why)
    for index, gate in enumerate(spec.readinessGates):
        yield from is_qualified(path.child("readinessGates").index(index).child("conditionType"), gate.conditionType)
    yield from _scheduling_gates(spec.schedulingGates, path.child("schedulingGates"))
    if spec.overhead:
        yield from validate_totals(spec.overhead, path.child("overhead"))


def validate_deadline(seconds: int | None, path: Path) -> Iterator[FieldError]:
    """A deadline is in the future and fits its type."""
    if seconds is not None and not 1 <= seconds <= LONGEST_DEADLINE:
        yield invalid(path, seconds, f"must be between 1 and {LONGEST_DEADLINE}, inclusive")


def _names(spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    """What names other objects, or the pod itself on the network."""
    for field in ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"):
        if value := getattr(spec, field):
            yield from is_subdomain(path.child(field), value)
    for field in ("hostname", "subdomain"):
        if value := getattr(spec, field):
            yield from is_label(path.child(field), value)
    yield from one_of(
        path.child("preemptionPolicy"), spec.preemptionPolicy, ("Never", "PreemptLowerPriority"), optional=True
    )
    if spec.os:
        if not spec.os.name:
            yield required(path.child("os", "name"))
        elif spec.os.name not in SYSTEMS:
            yield not_supported(path.child("os"), spec.os.name, SYSTEMS)


def _host_aliases(aliases: Sequence[core_v1.HostAlias], path: Path) -> Iterator[FieldError]:
    for index, alias in enumerate(aliases):
        at = path.index(index)
        yield from is_address(alias.ip, at.child("ip"))
        for number, hostname in enumerate(alias.hostnames):
            yield from is_subdomain(at.child("hostnames").index(number), hostname)


def is_address(text: str, path: Path) -> Iterator[FieldError]:
    """The text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        yield invalid(path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")


def _dns(spec: core_v1.PodSpec, path: Path) -> Iterator[FieldError]:
    config = spec.dnsConfig
    at = path.child("dnsConfig")
    if spec.dnsPolicy == "None" and not (config and config.nameservers):
        if config:
            why = f"must provide at least one DNS nameserver when `dnsPolicy` is {spec.dnsPolicy}"
            yield required(at.child("nameservers"), why)
        else:
            yield required(at, f"must provide `dnsConfig` when `dnsPolicy` is {spec.dnsPolicy}")
    if not config:
        return
    if len(config.nameservers) > MAX_NAMESERVERS:
        why = f"must not have more than {MAX_NAMESERVERS} nameservers"
        yield invalid(at.child("nameservers"), config.nameservers, why)
    for index, server in enumerate(config.nameservers):
        yield from is_address(server, at.child("nameservers").index(index))
    if len(config.searches) > MAX_SEARCHES:
        why = f"must not have more than {MAX_SEARCHES} search paths"
        yield invalid(at.child("searches"), config.searches, why)
    if len(" ".join(config.searches)) > MAX_SEARCH_CHARS:
        why = f"must not have more than {MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        yield invalid(at.child("searches"), config.searches, why)
    for index, search in enumerate(config.searches):
        if search != ".":
            yield from obeys(
                at.child("searches").index(index), search.removesuffix("."), names.subdomain_with_underscores
            )
    for index, option in enumerate(config.options):
        if not option.name:
            yield required(at.child("options").index(index), "must not be empty")


def _scheduling_gates(gates: Sequence[core_v1.PodSchedulingGate], path: Path) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        yield from is_qualified(path.index(index), gate.name)
        if gate.name in seen:
            yield duplicate(path.index(index), gate.name)
        seen.add(gate.name)
