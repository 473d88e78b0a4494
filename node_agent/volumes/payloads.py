"""The files of generated volumes. Pure but for tokens."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from node_agent.fieldrefs import FieldError, field_value, resource_value
from node_agent.pod_spec import find_spec
from node_agent.references import DataKind, MissingReference, data_of
from node_agent.volumes.base import File, VolumeContext
from timonel.api.types import core_v1

DEFAULT_MODE = 0o644
DEFAULT_TOKEN_SECONDS = 3600
REFRESH_AT = 0.8
"""The part of its life after which a token is replaced."""

_CALLED = {"ConfigMap": "config", "Secret": "secret"}


def object_files(
    context: VolumeContext,
    kind: DataKind,
    source: core_v1.ConfigMapProjection | core_v1.SecretProjection,
    mode: int,
) -> dict[str, File]:
    """A ConfigMap's or Secret's files. Raises MissingReference unless optional."""
    try:
        data = data_of(context.refs, kind, context.namespace, source.name)
    except MissingReference:
        if source.optional:
            return {}
        raise
    if not source.items:
        return {key: File(value, mode) for key, value in data.items()}
    files: dict[str, File] = {}
    for item in source.items:
        if item.key in data:
            files[item.path] = File(data[item.key], mode if item.mode is None else item.mode)
        elif not source.optional:
            raise MissingReference(f"references non-existent {_CALLED[kind]} key: {item.key}")
    return files


def downward_files(
    context: VolumeContext, items: Sequence[core_v1.DownwardAPIVolumeFile], mode: int
) -> dict[str, File]:
    """The pod's own fields as files. Raises MissingReference for a field that does not exist."""
    return {i.path: File(_downward(context, i).encode(), mode if i.mode is None else i.mode) for i in items}


async def token_file(
    context: VolumeContext, projection: core_v1.ServiceAccountTokenProjection, mode: int
) -> tuple[File, datetime]:
    """A fresh token, and when to replace it. Raises LookupError or TimeoutError when the master gives none."""
    seconds = projection.expirationSeconds or DEFAULT_TOKEN_SECONDS
    token = await context.tokens.request(context.pod, projection.audience, seconds)
    life = max((token.expires - context.now).total_seconds(), 1.0)
    private = context.fs_group is not None or context.fs_user is not None
    file = File(token.text.encode(), 0o600 if private else mode, context.fs_user)
    return file, context.now + timedelta(seconds=life * REFRESH_AT)


def _downward(context: VolumeContext, item: core_v1.DownwardAPIVolumeFile) -> str:
    try:
        if item.fieldRef is not None:
            return field_value(context.pod, item.fieldRef.fieldPath, (), context.node)
        ref = item.resourceFieldRef
        container = find_spec(context.pod, ref.containerName) if ref is not None else None
        if ref is None or container is None:
            raise FieldError(f"no container is named for {item.path}")
        return resource_value(container, ref.resource, ref.divisor, context.node)
    except FieldError as error:
        raise MissingReference(str(error)) from error
