"""A pod's status from what is observed, in the kubelet's words. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from node_agent.container_status import container_status
from node_agent.lifecycle import TERMINAL_PHASES, View, is_going, is_over, past_deadline
from node_agent.observed import Observed, is_running
from node_agent.pod_spec import container_specs, from_ephemeral
from node_agent.resizes import IN_PROGRESS, PENDING, changed
from timonel.api.podresources import is_sidecar, qos_class
from timonel.api.time import text as to_text
from timonel.api.types import core_v1

_PHASES = ("Pending", "Running", "Succeeded", "Failed")
_OWN_CONDITIONS = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", PENDING, IN_PROGRESS
)  # fmt: skip


def pod_status(pod: core_v1.Pod, observed: Observed, now: datetime, host_ips: Sequence[str]) -> core_v1.PodStatus:
    """The whole PodStatus. ``observed.previous`` gives what must not change: start time, phase, transition times."""
    view = View(pod, observed)
    previous = observed.previous
    status = core_v1.PodStatus(
        observedGeneration=pod.metadata.generation,
        startTime=previous.startTime or to_text(now),
        qosClass=pod.status.qosClass or qos_class(pod.spec),
        hostIP=host_ips[0] if host_ips else "",
        hostIPs=[core_v1.HostIP(ip=ip) for ip in host_ips],
        initContainerStatuses=[container_status(view, c, now) for c in pod.spec.initContainers],
        containerStatuses=[container_status(view, c, now) for c in pod.spec.containers],
        ephemeralContainerStatuses=[
            container_status(view, from_ephemeral(c), now) for c in pod.spec.ephemeralContainers
        ],
        nominatedNodeName=pod.status.nominatedNodeName,
    )
    if previous.phase in TERMINAL_PHASES and not previous.containerStatuses:  # it was refused
        status.initContainerStatuses = status.containerStatuses = []
    _set_phase(view, status, now)
    _set_addresses(view, status, now, host_ips)
    status.conditions = _conditions(view, status, now)
    return status


def _set_phase(view: View, status: core_v1.PodStatus, now: datetime) -> None:
    """Phases never go back; a terminal one keeps its reason."""
    previous = view.observed.previous
    if previous.phase in TERMINAL_PHASES:
        status.phase, status.reason, status.message = previous.phase, previous.reason, previous.message
        return
    alive = any(is_running(c) for c in view.observed.runtime.containers)
    if past_deadline(view.pod, view.observed, now) and not alive:
        status.phase, status.reason = "Failed", "DeadlineExceeded"
        status.message = "Pod was active on the node longer than the specified deadline"
        return
    found = _phase(view, status, now)
    reached = previous.phase if previous.phase in _PHASES else "Pending"
    status.phase = max(found, reached, key=_PHASES.index)


def _phase(view: View, status: core_v1.PodStatus, now: datetime) -> str:
    alive = any(is_running(c) for c in view.observed.runtime.containers)
    ending = is_going(view.pod, view.observed)
    if (ending or is_over(view.pod, view.observed, now)) and not alive:
        return _outcome(view, ending=ending)
    if view.pod.spec.initContainers and not _is_initialised(view):
        return "Pending"
    never_ran = [s for s in status.containerStatuses if s.state.waiting and s.lastState.terminated is None]
    if never_ran or not status.containerStatuses:
        return "Pending"
    return "Running"


def _outcome(view: View, *, ending: bool) -> str:
    latest = [view.latest(c.name) for c in view.pod.spec.containers]
    if view.init_failed() or any(c is not None and c.exit_code != 0 for c in latest):
        return "Failed"
    if ending and any(c is None for c in latest):
        return "Failed"
    return "Succeeded"


def _set_addresses(view: View, status: core_v1.PodStatus, now: datetime, host_ips: Sequence[str]) -> None:
    addresses: list[str] = []
    if view.pod.spec.hostNetwork:
        addresses = list(host_ips) if view.sandbox is not None else []
    elif view.networked and view.observed.address is not None:
        addresses = [view.observed.address]
    elif is_going(view.pod, view.observed) or status.phase in TERMINAL_PHASES:
        addresses = [ip.ip for ip in view.observed.previous.podIPs]
    status.podIP = addresses[0] if addresses else ""
    status.podIPs = [core_v1.PodIP(ip=ip) for ip in addresses]


def _is_initialised(view: View) -> bool:
    return view.initialised() or all(view.passed(c) for c in view.pod.spec.initContainers)


def _conditions(view: View, status: core_v1.PodStatus, now: datetime) -> list[core_v1.PodCondition]:
    """Ours, newly decided, then those that others own, as they are. Unchanged ones keep their transition time."""
    foreign = [c for c in view.pod.status.conditions if c.type not in _OWN_CONDITIONS]
    containers_ready = _containers_ready(view, status)
    own = [
        _can_start(view),
        _initialized(view, status),
        _ready(view.pod, containers_ready, foreign),
        containers_ready,
        core_v1.PodCondition(type="PodScheduled", status="True"),
        *_resize(view),
    ]
    before = {c.type: c for c in view.observed.previous.conditions}
    for condition in own:
        condition.observedGeneration = view.pod.metadata.generation
        known = before.get(condition.type)
        kept = known.lastTransitionTime if known is not None and known.status == condition.status else None
        condition.lastTransitionTime = kept or to_text(now)
    return own + foreign


def _resize(view: View) -> Iterator[core_v1.PodCondition]:
    """Only while a running container has other limits than its spec says."""
    running = [(spec, view.current(spec.name)) for spec in container_specs(view.pod)]
    late = [s.name for s, c in running if c is not None and is_running(c) and changed(view.pod, s, c)]
    if not late:
        return
    if (why := view.observed.hindrance) is not None:
        yield core_v1.PodCondition(type=PENDING, status="True", reason=why.reason, message=why.message)
        return
    failure = next((f for name in late if (f := view.observed.failures.get(("resize", name)))), None)
    reason, message = ("Error", failure.message) if failure else ("", "")
    yield core_v1.PodCondition(type=IN_PROGRESS, status="True", reason=reason, message=message)


def _can_start(view: View) -> core_v1.PodCondition:
    """With the reason why the pod has no network; the kubelet tells that by an event only, which ends."""
    if view.networked:
        return core_v1.PodCondition(type="PodReadyToStartContainers", status="True")
    failure = view.observed.failures.get(("network",)) or view.observed.failures.get(("sandbox",))
    return core_v1.PodCondition(
        type="PodReadyToStartContainers",
        status="False",
        reason=failure.reason if failure else "",
        message=failure.message if failure else "",
    )


def _initialized(view: View, status: core_v1.PodStatus) -> core_v1.PodCondition:
    if status.phase == "Succeeded":
        return core_v1.PodCondition(type="Initialized", status="True", reason="PodCompleted")
    waiting = [] if view.initialised() else [c.name for c in view.pod.spec.initContainers if not view.passed(c)]
    if not waiting:
        return core_v1.PodCondition(type="Initialized", status="True")
    return core_v1.PodCondition(
        type="Initialized",
        status="False",
        reason="ContainersNotInitialized",
        message=f"containers with incomplete status: [{' '.join(waiting)}]",
    )


def _containers_ready(view: View, status: core_v1.PodStatus) -> core_v1.PodCondition:
    condition = core_v1.PodCondition(type="ContainersReady", status="False")
    if status.phase in TERMINAL_PHASES:
        condition.reason = "PodCompleted" if status.phase == "Succeeded" else "PodFailed"
        return condition
    sidecars = {c.name for c in view.pod.spec.initContainers if is_sidecar(c)}
    counted = [*(s for s in status.initContainerStatuses if s.name in sidecars), *status.containerStatuses]
    unready = [s.name for s in counted if not s.ready]
    if not unready:
        condition.status = "True"
        return condition
    condition.reason = "ContainersNotReady"
    condition.message = f"containers with unready status: [{' '.join(unready)}]"
    return condition


def _ready(
    pod: core_v1.Pod, containers_ready: core_v1.PodCondition, foreign: Sequence[core_v1.PodCondition]
) -> core_v1.PodCondition:
    if containers_ready.status != "True":
        return core_v1.PodCondition(
            type="Ready",
            status=containers_ready.status,
            reason=containers_ready.reason,
            message=containers_ready.message,
        )
    values = {c.type: c.status for c in foreign}
    unmet = [
        _gate_problem(gate.conditionType, values.get(gate.conditionType))
        for gate in pod.spec.readinessGates
        if values.get(gate.conditionType) != "True"
    ]
    if not unmet:
        return core_v1.PodCondition(type="Ready", status="True")
    return core_v1.PodCondition(type="Ready", status="False", reason="ReadinessGatesNotReady", message=", ".join(unmet))


def _gate_problem(gate: str, value: str | None) -> str:
    if value is None:
        return f'corresponding condition of pod readiness gate "{gate}" does not exist.'
    return f'the status of pod readiness gate "{gate}" is not "True", but {value}'
