"""Baseline: what loosens the walls between a container and the kernel."""

from master.registry.podsecurity.base import Subject, Violation, context_of, listed, names, plural, said, setters
from timonel.api.types import core_v1

CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
}
"""The safe ones, and the minor version since which each counts as safe."""
SELINUX_TYPES = {"": 0, "container_t": 0, "container_init_t": 0, "container_kvm_t": 0, "container_engine_t": 31}
PROFILES = ("RuntimeDefault", "Localhost")
SECCOMP_FIELD_SINCE = 19
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"


def privileged(pod: Subject, version: int) -> Violation | None:
    """No container with all rights."""
    bad = [container.name for container in pod.containers if context_of(container).privileged]
    return (
        Violation("privileged", f"{said(bad, 'container')} must not set securityContext.privileged=true")
        if bad
        else None
    )


def capabilities(pod: Subject, version: int) -> Violation | None:
    """No capabilities beyond those that container runtimes give."""
    added = {container.name: set(_added(context_of(container))) - CAPABILITIES for container in pod.containers}
    bad = [name for name, wanted in added.items() if wanted]
    if not bad:
        return None
    wanted = sorted(set().union(*added.values()))
    detail = f"{said(bad, 'container')} must not include {listed(wanted)} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def _added(context: core_v1.SecurityContext) -> list[str]:
    return context.capabilities.add if context.capabilities else []


def proc_mount(pod: Subject, version: int) -> Violation | None:
    """The parts of /proc that runtimes hide stay hidden, unless root in the pod is nobody on the node."""
    return None if pod.has_own_users(version) else hidden_proc(pod)


def hidden_proc(pod: Subject) -> Violation | None:
    """The parts of /proc that runtimes hide stay hidden."""
    bad = [container for container in pod.containers if context_of(container).procMount not in (None, "", "Default")]
    if not bad:
        return None
    values = sorted({context_of(container).procMount or "" for container in bad})
    detail = f"{said(names(bad), 'container')} must not set securityContext.procMount to {listed(values)}"
    return Violation("procMount", detail)


def sysctls(pod: Subject, version: int) -> Violation | None:
    """Only those that stay within the pod."""
    bad = [sysctl.name for sysctl in pod.context.sysctls if SYSCTLS.get(sysctl.name, version + 1) > version]
    return Violation("forbidden sysctls", ", ".join(bad)) if bad else None


def selinux(pod: Subject, version: int) -> Violation | None:
    """A container's type, and neither user nor role."""
    found: list[core_v1.SELinuxOptions] = []

    def is_bad(options: core_v1.SELinuxOptions | None) -> bool:
        if options is None or not (options.user or options.role or _unknown(options, version)):
            return False
        found.append(options)
        return True

    own = is_bad(pod.context.seLinuxOptions)
    who = setters(own, [container for container in pod.containers if is_bad(context_of(container).seLinuxOptions)])
    if not who:
        return None
    types = sorted({options.type or "" for options in found if _unknown(options, version)})
    what = [said(types, "type")] if types else []
    what += ["user may not be set"] if any(options.user for options in found) else []
    what += ["role may not be set"] if any(options.role for options in found) else []
    return Violation("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(what)}")


def _unknown(options: core_v1.SELinuxOptions, version: int) -> bool:
    return SELINUX_TYPES.get(options.type or "", version + 1) > version


def apparmor(pod: Subject, version: int) -> Violation | None:
    """The runtime's profile or one of the node's, by field or by annotation."""

    def is_bad(profile: core_v1.AppArmorProfile | None) -> bool:
        return profile is not None and profile.type not in PROFILES

    details = []
    bad = [container for container in pod.containers if is_bad(context_of(container).appArmorProfile)]
    who = setters(is_bad(pod.context.appArmorProfile), bad)
    profiles = [pod.context.appArmorProfile, *(context_of(container).appArmorProfile for container in bad)]
    values = {profile.type for profile in profiles if profile and is_bad(profile)}
    if who:
        details.append(f"{who} must not set AppArmor profile type to {listed(sorted(values))}")
    marks = {
        f'{key}="{value}"'
        for key, value in pod.metadata.annotations.items()
        if key.startswith(APPARMOR_ANNOTATION)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    }
    if not who and not marks:
        return None
    details += sorted(marks)
    return Violation(plural(len(values) + len(marks), "forbidden AppArmor profile"), ", ".join(details))


def seccomp(pod: Subject, version: int) -> Violation | None:
    """Who names a profile names the runtime's or one of the node's."""
    return _seccomp_by_annotation(pod) if version < SECCOMP_FIELD_SINCE else seccomp_by_field(pod)


def is_bad_seccomp(profile: core_v1.SeccompProfile | None) -> bool:
    """Whether a profile is named that may not be."""
    return profile is not None and profile.type not in PROFILES


def seccomp_by_field(pod: Subject) -> Violation | None:
    """What the fields say outright."""
    own = pod.context.seccompProfile
    bad = [container for container in pod.containers if is_bad_seccomp(context_of(container).seccompProfile)]
    who = setters(is_bad_seccomp(own), bad)
    if not who:
        return None
    profiles = [own, *(context_of(container).seccompProfile for container in bad)]
    values = sorted({profile.type for profile in profiles if profile and is_bad_seccomp(profile)})
    return Violation("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {listed(values)}")


def _seccomp_by_annotation(pod: Subject) -> Violation | None:
    keys = {SECCOMP_POD_ANNOTATION, *(SECCOMP_ANNOTATION + container.name for container in pod.containers)}
    bad = [
        f'{key}="{value}"'
        for key, value in sorted(pod.metadata.annotations.items())
        if key in keys and value not in ("runtime/default", "docker/default") and not value.startswith("localhost/")
    ]
    return Violation("seccompProfile", f"forbidden {plural(len(bad), 'annotation')} {', '.join(bad)}") if bad else None
