"""The rules of security contexts, of pods and of containers."""

import re
from collections.abc import Iterator

from master.registry.validation.common import is_subdomain, one_of
from timonel.api.fields import FieldError, Path, duplicate, invalid, not_supported, required
from timonel.api.types import core_v1

LARGEST_ID = 2**31 - 1
PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
MAX_SYSCTL = 253
LONGEST_WINDOWS_USER = 104
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def validate_pod_security(
    spec: core_v1.PodSpec, context: core_v1.PodSecurityContext, path: Path
) -> Iterator[FieldError]:
    """What a pod says for all of its containers."""
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        yield from _id(getattr(context, field), path.child(field))
    for index, group in enumerate(context.supplementalGroups):
        yield from _id(group, path.child("supplementalGroups").index(index))
    if context.seccompProfile:
        yield from _seccomp(context.seccompProfile, path.child("seccompProfile"))
    for field, words in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
        ("seLinuxChangePolicy", ("Recursive",)),
    ):
        yield from one_of(path.child(field), getattr(context, field), words, optional=True)
    if spec.hostPID and spec.shareProcessNamespace:
        yield invalid(
            path.child("shareProcessNamespace"), True, "ShareProcessNamespace and HostPID cannot both be enabled"
        )
    yield from _sysctls(context, path.child("sysctls"))
    if context.appArmorProfile:
        yield from _app_armor(context.appArmorProfile, path.child("appArmorProfile"))
    if context.windowsOptions:
        yield from _windows(context.windowsOptions, path.child("windowsOptions"))


def validate_container_security(context: core_v1.SecurityContext, path: Path) -> Iterator[FieldError]:
    """What a container says for itself."""
    yield from _id(context.runAsUser, path.child("runAsUser"))
    yield from _id(context.runAsGroup, path.child("runAsGroup"))
    yield from one_of(path.child("procMount"), context.procMount, ("Default", "Unmasked"), optional=True)
    if context.allowPrivilegeEscalation is False:
        if context.privileged:
            yield invalid(path, {}, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
        if context.capabilities and "SYS_ADMIN" in context.capabilities.add:
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(path, {}, why)
    if context.seccompProfile:
        yield from _seccomp(context.seccompProfile, path.child("seccompProfile"))
    if context.appArmorProfile:
        yield from _app_armor(context.appArmorProfile, path.child("appArmorProfile"))
    if context.windowsOptions:
        yield from _windows(context.windowsOptions, path.child("windowsOptions"))


def _id(value: int | None, path: Path) -> Iterator[FieldError]:
    if value is not None and not 0 <= value <= LARGEST_ID:
        yield invalid(path, value, f"must be between 0 and {LARGEST_ID}, inclusive")


def _seccomp(profile: core_v1.SeccompProfile, path: Path) -> Iterator[FieldError]:
    """A profile by its type; a local one by its path too."""
    if not profile.type:
        yield required(path.child("type"), "type is required when seccompProfile is set")
    elif profile.type not in PROFILE_TYPES:
        yield not_supported(path.child("type"), profile.type, PROFILE_TYPES)
    at = path.child("localhostProfile")
    if profile.type == "Localhost" and profile.localhostProfile is None:
        yield required(at, "must be set when seccomp type is Localhost")
    if profile.type != "Localhost" and profile.localhostProfile is not None:
        shown = {"Type": profile.type, "LocalhostProfile": profile.localhostProfile}
        yield invalid(at, shown, "can only be set when seccomp type is Localhost")


def _app_armor(profile: core_v1.AppArmorProfile, path: Path) -> Iterator[FieldError]:
    name, at = profile.localhostProfile, path.child("localhostProfile")
    if not profile.type:
        yield required(path.child("type"), "type is required when appArmorProfile is set")
    elif profile.type not in PROFILE_TYPES:
        yield not_supported(path.child("type"), profile.type, PROFILE_TYPES)
    elif profile.type != "Localhost":
        if name is not None:
            yield invalid(at, name, "can only be set when AppArmor type is Localhost")
    elif name and name.strip() != name:
        yield invalid(at, name, "must not be padded with whitespace")
    elif not name:
        yield required(at, "must be set when AppArmor type is Localhost")


def _sysctls(context: core_v1.PodSecurityContext, path: Path) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, sysctl in enumerate(context.sysctls):
        at = path.index(index).child("name")
        if not sysctl.name:
            yield required(at)
        elif len(sysctl.name) > MAX_SYSCTL or not _SYSCTL.fullmatch(sysctl.name):
            yield invalid(
                at, sysctl.name, f"must have at most {MAX_SYSCTL} characters and match regex ^{_SYSCTL.pattern}$"
            )
        elif sysctl.name in seen:
            yield duplicate(at, sysctl.name)
        seen.add(sysctl.name)


def _windows(options: core_v1.WindowsSecurityContextOptions, path: Path) -> Iterator[FieldError]:
    if options.gmsaCredentialSpecName is not None:
        yield from is_subdomain(path.child("gmsaCredentialSpecName"), options.gmsaCredentialSpecName)
    if options.gmsaCredentialSpec == "":
        yield invalid(path.child("gmsaCredentialSpec"), "", "gmsaCredentialSpec cannot be an empty string")
    user, at = options.runAsUserName, path.child("runAsUserName")
    if user is None:
        return
    if not user:
        yield invalid(at, user, "runAsUserName cannot be an empty string")
    if _CONTROL.search(user):
        yield invalid(at, user, "runAsUserName cannot contain control characters")
    if user.count("\\") > 1:
        yield invalid(at, user, "runAsUserName cannot contain more than one backslash")
    if len(user.rpartition("\\")[2]) > LONGEST_WINDOWS_USER:
        why = f"runAsUserName's User length must not be longer than {LONGEST_WINDOWS_USER} characters"
        yield invalid(at, user, why)
