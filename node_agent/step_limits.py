"""How long steps may take, when failed ones are tried again, and which are given up. Pure."""

from node_agent.effects import HOOK_SECONDS
from node_agent.restarts import retry_delay
from node_agent.steps import CreateContainer, EnsureImage, MountVolumes, StartContainer, Step, StopContainer

STEP_SECONDS = 120.0
"""The deadline of a step that has none of its own."""

_RETRIES: dict[type[Step], tuple[float, float]] = {
    EnsureImage: (10.0, 300.0),
    MountVolumes: (0.5, 122.0),
    CreateContainer: (2.0, 30.0),
}
"""Seconds to wait after the first failure, and at most; others wait 1 to 60 s."""


def retry_seconds(step: Step, count: int) -> float:
    """How long to wait after the ``count``-th failure of the step in a row."""
    first, longest = _RETRIES.get(type(step), (1.0, 60.0))
    return retry_delay(count, first, longest)


def is_superseded(running: Step, wanted: Step | None) -> bool:
    """Whether a step under way is to be given up: a pull or hook no longer wanted, or a stop that must be quicker."""
    if wanted is None:
        return isinstance(running, EnsureImage | StartContainer)
    if isinstance(running, StopContainer) and isinstance(wanted, StopContainer):
        return wanted.until is not None and (running.until is None or wanted.until < running.until)
    return False


def deadline(step: Step) -> float | None:
    """Seconds that a step may take. Pulls have a deadline of their own, for standing still."""
    match step:
        case EnsureImage():
            return None
        case StartContainer():
            return STEP_SECONDS + HOOK_SECONDS
        case StopContainer():
            return STEP_SECONDS + step.grace
        case _:
            return STEP_SECONDS
