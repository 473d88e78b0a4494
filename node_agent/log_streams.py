"""Which log is asked for, and which part of it; the choice and the errors are the kubelet's."""

from datetime import timedelta

from node_agent.runtimes.base import LogQuery
from node_agent.worker import PodWorker
from timonel.api.errors import BadRequest
from timonel.api.time import parse, utc_now
from timonel.rpc import node_pb2

_PULL_WORDS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def log_container(worker: PodWorker, name: str, previous: bool) -> str:
    """The id of the container whose log is meant. Raises BadRequest when it has none yet."""
    pod = worker.id.name
    status = next((s for s in worker.container_statuses() if s.name == name), None)
    if status is None:
        raise BadRequest(f'container "{name}" in pod "{pod}" is not available')
    last = status.lastState.terminated
    if previous:
        if last is None or not last.containerID:
            raise BadRequest(f'previous terminated container "{name}" in pod "{pod}" not found')
        return _bare(last.containerID)
    state = status.state
    if (state.running is not None or state.terminated is not None) and status.containerID:
        return _bare(status.containerID)
    if last is not None and last.containerID:
        return _bare(last.containerID)
    reason = (state.waiting.reason if state.waiting is not None else None) or "ContainerCreating"
    words = _PULL_WORDS.get(reason, reason)
    raise BadRequest(f'container "{name}" in pod "{pod}" is waiting to start: {words}')


def log_query(options: node_pb2.LogOptions) -> LogQuery:
    """The part of the log that is asked for. Raises BadRequest for a time that is none."""
    since = None
    if options.HasField("since_seconds"):
        since = utc_now() - timedelta(seconds=options.since_seconds)
    elif options.since_time:
        try:
            since = parse(options.since_time)
        except ValueError as error:
            raise BadRequest(str(error)) from error
    return LogQuery(
        follow=options.follow,
        timestamps=options.timestamps,
        tail_lines=options.tail_lines if options.HasField("tail_lines") else None,
        limit_bytes=options.limit_bytes if options.HasField("limit_bytes") else None,
        since=since,
        stream=options.stream or "All",
    )


def _bare(container_id: str) -> str:
    return container_id.rpartition("//")[2]
