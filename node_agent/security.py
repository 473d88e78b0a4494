"""From the security contexts of pod and container to what the runtime applies. Pure but for seccomp profiles' files."""

from dataclasses import dataclass
from pathlib import Path

from node_agent.runtimes.base import RuntimeFailure, Security
from timonel.api.types import core_v1

CONFIG_ERROR = "CreateContainerConfigError"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the container runs as; None leaves it to the image."""

    user: int | None
    group: int | None
    non_root: bool


def identity(pod: core_v1.Pod, container: core_v1.Container) -> Identity:
    """The container's own settings, else the pod's."""
    shared = pod.spec.securityContext or core_v1.PodSecurityContext()
    own = container.securityContext or core_v1.SecurityContext()
    return Identity(
        user=shared.runAsUser if own.runAsUser is None else own.runAsUser,
        group=shared.runAsGroup if own.runAsGroup is None else own.runAsGroup,
        non_root=bool(shared.runAsNonRoot if own.runAsNonRoot is None else own.runAsNonRoot),
    )


def verify_non_root(pod: core_v1.Pod, container: core_v1.Container, image_user: str) -> None:
    """Raises RuntimeFailure(CreateContainerConfigError) when runAsNonRoot is asked for and root would run."""
    who = identity(pod, container)
    if not who.non_root:
        return
    where = f'(pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})", container: {container.name})'
    if who.user is not None:
        if who.user == 0:
            raise RuntimeFailure(CONFIG_ERROR, f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if name in ("", "0"):
        raise RuntimeFailure(CONFIG_ERROR, f"container has runAsNonRoot and image will run as root {where}")
    if not name.isdigit():
        problem = f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        raise RuntimeFailure(CONFIG_ERROR, f"{problem} {where}")


def container_security(pod: core_v1.Pod, container: core_v1.Container, seccomp_root: Path) -> Security:
    """What the runtime applies. Raises RuntimeFailure when a seccomp profile cannot be read."""
    shared = pod.spec.securityContext or core_v1.PodSecurityContext()
    own = container.securityContext or core_v1.SecurityContext()
    capabilities = own.capabilities or core_v1.Capabilities()
    privileged = bool(own.privileged)
    groups = {*shared.supplementalGroups, *([shared.fsGroup] if shared.fsGroup is not None else [])}
    return Security(
        user=_user_text(identity(pod, container)),
        groups=sorted(groups),
        privileged=privileged,
        read_only_root=bool(own.readOnlyRootFilesystem),
        no_new_privileges=own.allowPrivilegeEscalation is False and not privileged,
        add_capabilities=capabilities.add,
        drop_capabilities=capabilities.drop,
        seccomp=_seccomp(own.seccompProfile or shared.seccompProfile, seccomp_root),
        unmask_proc=own.procMount == "Unmasked",
    )


def _user_text(who: Identity) -> str:
    if who.user is None:
        return "" if who.group is None else f"0:{who.group}"
    return str(who.user) if who.group is None else f"{who.user}:{who.group}"


def _seccomp(profile: core_v1.SeccompProfile | None, root: Path) -> str:
    """Without a profile a container is unconfined, as with a kubelet that has no seccompDefault."""
    if profile is None or profile.type == "Unconfined":
        return "unconfined"
    if profile.type == "RuntimeDefault":
        return ""
    path = (root / (profile.localhostProfile or "")).resolve()
    if not path.is_relative_to(root.resolve()):
        raise RuntimeFailure(CONFIG_ERROR, f"seccomp profile {profile.localhostProfile} is outside of {root}")
    try:
        return path.read_text()
    except OSError as error:
        raise RuntimeFailure(CONFIG_ERROR, f"cannot load seccomp profile {path}: {error.strerror}") from error
