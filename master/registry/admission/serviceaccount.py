"""Every pod runs as a ServiceAccount, whose token is mounted into its containers."""

from typing import ClassVar

from master.registry.admission.base import Attributes, Plugin
from master.registry.authz.node_reach import MIRROR
from master.registry.podreferences import projections, secrets_of
from timonel.api.meta import random_suffix
from timonel.api.types import core_v1

DEFAULT = "default"
VOLUME_PREFIX = "kube-api-access-"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607
"""An hour and a little: clients that ask for exactly an hour are told apart from these."""
CA_CONFIG_MAP = "kube-root-ca.crt"


class ServiceAccount(Plugin):
    """As Kubernetes' plugin of the same name."""

    order: ClassVar[int] = 30
    kinds = frozenset({core_v1.Pod})

    async def mutate(self, attributes: Attributes) -> None:
        """Choose the account, take over its pull secrets, mount its token."""
        pod: core_v1.Pod = attributes.object
        if MIRROR in pod.metadata.annotations:
            _refuse_references(attributes, pod)
            return
        name = pod.spec.serviceAccountName or DEFAULT
        pod.spec.serviceAccountName = pod.spec.serviceAccount = name
        account = await self._account(attributes, name)
        if not pod.spec.imagePullSecrets:
            pod.spec.imagePullSecrets = [
                core_v1.LocalObjectReference(name=secret.name) for secret in account.imagePullSecrets
            ]
        if _mounts(pod.spec, account):
            _mount(pod.spec)

    async def _account(self, attributes: Attributes, name: str) -> core_v1.ServiceAccount:
        namespace = attributes.call.namespace
        found = attributes.reader.cached(core_v1.ServiceAccount, namespace, name)
        if found is None:
            found = await attributes.reader.current(core_v1.ServiceAccount, namespace, name)
        if found is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise attributes.forbidden(why)
        return found


def _refuse_references(attributes: Attributes, pod: core_v1.Pod) -> None:
    """What shows a pod that a node runs by itself must not open anything to that node."""
    if pod.spec.serviceAccountName:
        raise attributes.forbidden("a mirror pod may not reference service accounts")
    if secrets_of(pod.spec):
        raise attributes.forbidden("a mirror pod may not reference secrets")
    if any(source.serviceAccountToken for source in projections(pod.spec)):
        raise attributes.forbidden("a mirror pod may not use ServiceAccountToken volume projections")


def _mounts(spec: core_v1.PodSpec, account: core_v1.ServiceAccount) -> bool:
    """The pod decides, else the account; unless told otherwise it is mounted."""
    if spec.automountServiceAccountToken is not None:
        return spec.automountServiceAccountToken
    return account.automountServiceAccountToken is not False


def _mount(spec: core_v1.PodSpec) -> None:
    """Mount the token where nothing else is mounted; the volume is made when some container needs it."""
    known = next((volume.name for volume in spec.volumes if volume.name.startswith(VOLUME_PREFIX)), "")
    name = known or VOLUME_PREFIX + random_suffix()
    used = False
    for container in (*spec.initContainers, *spec.containers):
        if not any(mount.mountPath == MOUNT_PATH for mount in container.volumeMounts):
            container.volumeMounts.append(core_v1.VolumeMount(name=name, mountPath=MOUNT_PATH, readOnly=True))
            used = True
    if used and not known:
        spec.volumes.append(core_v1.Volume(name=name, projected=_token_and_ca()))


def _token_and_ca() -> core_v1.ProjectedVolumeSource:
    """Token, the API's certificate authority, and the namespace: what client libraries look for."""
    token = core_v1.ServiceAccountTokenProjection(path="token", expirationSeconds=TOKEN_SECONDS)
    authority = core_v1.ConfigMapProjection(name=CA_CONFIG_MAP, items=[core_v1.KeyToPath(key="ca.crt", path="ca.crt")])
    namespace = core_v1.DownwardAPIVolumeFile(
        path="namespace", fieldRef=core_v1.ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace")
    )
    return core_v1.ProjectedVolumeSource(
        defaultMode=0o644,
        sources=[
            core_v1.VolumeProjection(serviceAccountToken=token),
            core_v1.VolumeProjection(configMap=authority),
            core_v1.VolumeProjection(downwardAPI=core_v1.DownwardAPIProjection(items=[namespace])),
        ],
    )
