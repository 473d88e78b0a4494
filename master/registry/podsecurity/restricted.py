"""Restricted: the hardening that every pod is then asked for."""

from master.registry.podsecurity.base import Subject, Violation, context_of, listed, names, plural, said, setters
from master.registry.podsecurity.kernel import SECCOMP_FIELD_SINCE, hidden_proc, is_bad_seccomp, seccomp_by_field
from timonel.api.types import core_v1

WINDOWS_EXEMPT_SINCE = 25
ESCALATION_SINCE = 8
USER_SINCE = 23
CAPABILITIES_SINCE = 22
ALLOWED_CAPABILITY = "NET_BIND_SERVICE"
VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def _exempt(pod: Subject, version: int, since: int) -> bool:
    return version < since or (version >= WINDOWS_EXEMPT_SINCE and pod.is_windows)


def privilege_escalation(pod: Subject, version: int) -> Violation | None:
    """No process gets more rights than its parent."""
    if _exempt(pod, version, ESCALATION_SINCE):
        return None
    bad = [c.name for c in pod.containers if context_of(c).allowPrivilegeEscalation is not False]
    detail = f"{said(bad, 'container')} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail) if bad else None


def capabilities(pod: Subject, version: int) -> Violation | None:
    """All are dropped; binding to low ports may be added."""
    if _exempt(pod, version, CAPABILITIES_SINCE):
        return None
    keeping, adding, added = [], [], set()
    for container in pod.containers:
        wanted = context_of(container).capabilities or core_v1.Capabilities()
        if "ALL" not in wanted.drop:
            keeping.append(container.name)
        more = set(wanted.add) - {ALLOWED_CAPABILITY}
        if more:
            adding.append(container.name)
            added |= more
    details = []
    if keeping:
        details.append(f'{said(keeping, "container")} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        what = listed(sorted(added))
        details.append(f"{said(adding, 'container')} must not include {what} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def proc_mount(pod: Subject, version: int) -> Violation | None:
    """What baseline lets pass."""
    return hidden_proc(pod) if pod.has_own_users(version) else None


def volumes(pod: Subject, version: int) -> Violation | None:
    """What is not the node's, nor a network file system that the pod names itself."""
    kinds = {
        volume.name: next(
            (field for field in volume.__struct_fields__ if field != "name" and getattr(volume, field) is not None),
            "unknown",
        )
        for volume in pod.spec.volumes
    }
    bad = {name: kind for name, kind in kinds.items() if kind not in VOLUMES}
    if not bad:
        return None
    types = sorted(set(bad.values()))
    uses = plural(len(bad), "uses", "use")
    detail = f"{said(list(bad), 'volume')} {uses} {said(types, 'restricted volume type')}"
    return Violation("restricted volume types", detail)


def non_root(pod: Subject, version: int) -> Violation | None:
    """Containers are refused their start as root."""
    if pod.has_own_users(version):
        return None
    own = pod.context.runAsNonRoot
    bad = [container for container in pod.containers if context_of(container).runAsNonRoot is False]
    who = setters(own is False, bad)
    if who:
        return Violation("runAsNonRoot != true", f"{who} must not set securityContext.runAsNonRoot=false")
    silent = [container for container in pod.containers if not own and context_of(container).runAsNonRoot is None]
    if not silent:
        return None
    detail = f"pod or {said(names(silent), 'container')} must set securityContext.runAsNonRoot=true"
    return Violation("runAsNonRoot != true", detail)


def user(pod: Subject, version: int) -> Violation | None:
    """Root is not asked for."""
    if version < USER_SINCE or pod.has_own_users(version):
        return None
    bad = [container for container in pod.containers if context_of(container).runAsUser == 0]
    who = setters(pod.context.runAsUser == 0, bad)
    return Violation("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def seccomp(pod: Subject, version: int) -> Violation | None:
    """A profile is named, for the pod or for each container."""
    if _exempt(pod, version, SECCOMP_FIELD_SINCE):
        return None
    wrong = seccomp_by_field(pod)
    if wrong:
        return wrong
    own = pod.context.seccompProfile
    covered = own is not None and not is_bad_seccomp(own)
    silent = [c for c in pod.containers if context_of(c).seccompProfile is None and not covered]
    if not silent:
        return None
    detail = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {said(names(silent), 'container')} {detail}")
