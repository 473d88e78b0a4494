"""What is to be told to the master: the newest of each pod's and the node's status, and a bounded number of events.

While the master is away only the newest is kept, so nothing grows; when it is back, all that holds is told again.
"""

import asyncio
from collections import deque
from collections.abc import Iterator

from node_agent.events import AgentEvent
from node_agent.runtimes.base import PodId
from timonel.api import codec
from timonel.api.types import core_v1
from timonel.rpc import node_pb2

MAX_EVENTS = 1000
EVENT_SECONDS = 0.1
"""How long events wait for a status to go with: others wait for that, and a message just sent holds up the next."""
BATCH = 200
"""Pods or events in one message."""

COMPONENT = "kubelet"


class Outbox:
    """Filled by workers, emptied by the session. ``filled`` is set while there is something to send."""

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        self._statuses: dict[PodId, bytes] = {}
        self._unsent: dict[PodId, None] = {}
        self._removed: dict[PodId, None] = {}
        self._node: bytes | None = None
        self._node_unsent = False
        self._events: deque[AgentEvent] = deque(maxlen=MAX_EVENTS)
        self._messages: deque[node_pb2.NodeMessage] = deque(maxlen=MAX_EVENTS)
        self._events_due: asyncio.TimerHandle | None = None

    def pod(self, pod: PodId, status: core_v1.PodStatus | None) -> None:
        """A pod's newest status; None when nothing is left of it here."""
        if status is None:
            self._statuses.pop(pod, None)
            self._unsent.pop(pod, None)
            self._removed[pod] = None
        else:
            self._statuses[pod] = codec.encode(status)
            self._unsent[pod] = None
        self.filled.set()

    def node(self, status: core_v1.NodeStatus) -> None:
        """The node's newest status."""
        encoded = codec.encode(status)
        if encoded != self._node:
            self._node, self._node_unsent = encoded, True
            self.filled.set()

    def event(self, event: AgentEvent) -> None:
        """One event, to be sent soon; the oldest are dropped when there are too many."""
        self._events.append(event)
        if self._events_due is None:
            self._events_due = asyncio.get_running_loop().call_later(EVENT_SECONDS, self._send_events)

    def _send_events(self) -> None:
        self._events_due = None
        if self._events:
            self.filled.set()

    def message(self, message: node_pb2.NodeMessage) -> None:
        """A message as it is."""
        self._messages.append(message)
        self.filled.set()

    def reconnected(self) -> None:
        """The master may have forgotten what it was told: tell every status again."""
        self._unsent = dict.fromkeys(self._statuses)
        self._node_unsent = self._node is not None
        self.filled.set()

    def drain(self) -> Iterator[node_pb2.NodeMessage]:
        """All that is to be sent, in messages of bounded size."""
        self.filled.clear()
        while self._messages:
            yield self._messages.popleft()
        if self._node_unsent and self._node is not None:
            self._node_unsent = False
            yield node_pb2.NodeMessage(node=node_pb2.NodeReport(status_json=self._node))
        reports = [_report(pod, self._statuses[pod]) for pod in self._unsent]
        reports += [_report(pod, None) for pod in self._removed]
        self._unsent.clear()
        self._removed.clear()
        for start in range(0, len(reports), BATCH):
            yield node_pb2.NodeMessage(pods=node_pb2.PodReports(pods=reports[start : start + BATCH]))
        while self._events:
            batch = [self._events.popleft() for _ in range(min(BATCH, len(self._events)))]
            yield node_pb2.NodeMessage(events=node_pb2.EventReports(events=[_event(e) for e in batch]))


def _report(pod: PodId, status: bytes | None) -> node_pb2.PodReport:
    return node_pb2.PodReport(
        pod_namespace=pod.namespace,
        pod_name=pod.name,
        pod_uid=pod.uid,
        status_json=status or b"",
        removed=status is None,
    )


def _event(event: AgentEvent) -> node_pb2.EventReport:
    return node_pb2.EventReport(
        involved_object_json=codec.encode(event.involved),
        type=event.type,
        reason=event.reason,
        text=event.text,
        component=COMPONENT,
    )
