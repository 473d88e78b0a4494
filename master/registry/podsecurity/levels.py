"""Levels, the versions of their rules, and the labels by which a namespace asks for them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from master.registry.podsecurity import host, kernel, restricted
from master.registry.podsecurity.base import LATEST, Rule, Subject, Violation
from timonel.api.fields import FieldError, Path, invalid

PREFIX = "pod-security.kubernetes.io/"
ENFORCE, AUDIT, WARN = "enforce", "audit", "warn"
MODES = (ENFORCE, AUDIT, WARN)
PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]{0,5})", re.ASCII)

_EVERYWHERE: tuple[Rule, ...] = (kernel.privileged, kernel.proc_mount, kernel.selinux)
RULES: Mapping[str, tuple[Rule, ...]] = {
    PRIVILEGED: (),
    BASELINE: (
        kernel.apparmor,
        kernel.capabilities,
        host.host_namespaces,
        host.host_path_volumes,
        host.host_ports,
        host.host_probes,
        *_EVERYWHERE,
        kernel.seccomp,
        kernel.sysctls,
        host.windows_host_process,
    ),
    RESTRICTED: (
        kernel.apparmor,
        host.host_namespaces,
        host.host_ports,
        host.host_probes,
        *_EVERYWHERE,
        kernel.sysctls,
        host.windows_host_process,
        restricted.privilege_escalation,
        restricted.capabilities,
        restricted.proc_mount,
        restricted.volumes,
        restricted.non_root,
        restricted.user,
        restricted.seccomp,
    ),
}
"""In the order in which Kubernetes names violations: by rule, those of the stricter level last."""
_REPLACED: tuple[tuple[int, Rule], ...] = (
    (restricted.CAPABILITIES_SINCE, kernel.capabilities),
    (kernel.SECCOMP_FIELD_SINCE, kernel.seccomp),
)
"""Baseline's rules that restricted keeps until its own, stricter ones begin."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A level by the rules of a minor version; ``version`` None is the latest."""

    level: str = PRIVILEGED
    version: int | None = None

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.version is None else f'v1.{self.version}'}"

    def violations(self, subject: Subject) -> list[Violation]:
        """What the pod does that it may not. A version of the future has the rules of today."""
        version = LATEST if self.version is None else min(self.version, LATEST)
        rules = list(RULES[self.level])
        if self.level == RESTRICTED:
            rules[:0] = [rule for since, rule in _REPLACED if version < since]
        return [found for rule in rules if (found := rule(subject, version))]


STRICTEST = Policy(RESTRICTED)


def policy_of(labels: Mapping[str, str], mode: str) -> Policy:
    """What a namespace asks for in one mode; what cannot be read counts as the strictest.

    Without a label: privileged.
    """
    level = labels.get(PREFIX + mode, PRIVILEGED)
    version = labels.get(f"{PREFIX}{mode}-version", "latest")
    found = _VERSION.fullmatch(version)
    if level not in LEVELS or (version != "latest" and not found):
        return STRICTEST
    return Policy(level, int(found[1]) if found else None)


def validate_labels(labels: Mapping[str, str], path: Path) -> Iterator[FieldError]:
    """Levels that exist, versions that can be read."""
    for mode in MODES:
        level, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version", "latest")
        if level is not None and level not in LEVELS:
            yield invalid(path.key(PREFIX + mode), level, f"must be one of {', '.join(LEVELS)}")
        if version != "latest" and not _VERSION.fullmatch(version):
            why = 'must be "latest" or "v1.x"'
            yield invalid(path.key(f"{PREFIX}{mode}-version"), version, why)
