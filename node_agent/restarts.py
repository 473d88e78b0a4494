"""Whether and when an ended container is started again, and how long failed steps wait. Pure.

The rules are the kubelet's: 10 s doubling to 300 s, forgotten after 10 minutes of good running. The delay is journaled
on each container as a label, so it survives the agent.
"""

import hashlib
from datetime import datetime, timedelta

from node_agent.observed import LABEL_BACKOFF, LABEL_SPEC_HASH, Failure, ended_at, number_label, ran_seconds
from node_agent.runtimes.base import Container
from timonel.api.types import core_v1

FIRST_BACKOFF = 10
MAX_BACKOFF = 300
GOOD_RUN = 600
PULL_ERROR_SHOWN = timedelta(seconds=2)


def spec_hash(container: core_v1.Container) -> str:
    """Changes when the container must be replaced. As the kubelet's, it covers what may change in place: the image."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:16]


def is_outdated(container: core_v1.Container, latest: Container) -> bool:
    """Whether the container on the node was made from another spec."""
    return latest.labels.get(LABEL_SPEC_HASH, spec_hash(container)) != spec_hash(container)


def wants_restart(pod: core_v1.Pod, container: core_v1.Container, exit_code: int) -> bool:
    """Whether a container that ended so is started again, by its own rules and policy or else by the pod's."""
    if any(_matches(rule, exit_code) for rule in container.restartPolicyRules):
        return True
    match container.restartPolicy or pod.spec.restartPolicy:
        case "Never":
            return False
        case "OnFailure":
            return exit_code != 0
        case _:
            return True


def _matches(rule: core_v1.ContainerRestartRule, exit_code: int) -> bool:
    if rule.action != "Restart" or rule.exitCodes is None:
        return False
    return (exit_code in rule.exitCodes.values) == (rule.exitCodes.operator == "In")


def current_backoff(container: core_v1.Container, ended: Container) -> int:
    """Seconds that must pass after its end before it is started again."""
    if is_outdated(container, ended) or ran_seconds(ended) >= GOOD_RUN:
        return 0
    return number_label(ended, LABEL_BACKOFF) or 0


def restart_at(container: core_v1.Container, ended: Container) -> datetime:
    """When an ended container may be started again."""
    return ended_at(ended) + timedelta(seconds=current_backoff(container, ended))


def next_backoff(container: core_v1.Container, ended: Container | None) -> int:
    """What to journal on the next attempt."""
    if ended is None:
        return 0
    return min(current_backoff(container, ended) * 2, MAX_BACKOFF) or FIRST_BACKOFF


def in_pull_backoff(failure: Failure, now: datetime) -> bool:
    """Whether a failed pull has been shown as ErrImagePull for long enough, and is now shown as waiting."""
    return failure.reason == "ErrImagePull" and now >= failure.at + PULL_ERROR_SHOWN


def next_look(failure: Failure, now: datetime) -> datetime:
    """When a failure next changes what is decided or shown."""
    if failure.reason == "ErrImagePull" and now < failure.at + PULL_ERROR_SHOWN:
        return min(failure.at + PULL_ERROR_SHOWN, failure.retry_at)
    return failure.retry_at


def retry_delay(count: int, first: float, longest: float) -> float:
    """Seconds to wait after the ``count``-th failure in a row."""
    return float(min(first * 2 ** min(count - 1, 30), longest))
