"""What is counted of scheduling, under kube-scheduler's names."""

from master.metrics import Counter, Histogram

_PROFILE = "default-scheduler"
_SECONDS = tuple(0.001 * 2**power for power in range(15))
_SLI_SECONDS = tuple(0.01 * 2**power for power in range(20))
_attempts = Counter("scheduler_schedule_attempts_total", "Attempts to find a node for a pod.", ("profile", "result"))
_tried = Histogram(
    "scheduler_scheduling_attempt_duration_seconds", "How long these took.", ("profile", "result"), _SECONDS
)
_scheduled = Histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "From when pods came until they were bound.",
    ("attempts",),
    _SLI_SECONDS,
)
_MANY = 15


def tried(result: str, seconds: float) -> None:
    """One attempt; ``result`` is scheduled, unschedulable or error."""
    _attempts.add(1, _PROFILE, result)
    _tried.observe(seconds, _PROFILE, result)


def scheduled(seconds: float, attempts: int) -> None:
    """A pod is bound, so many seconds after it came."""
    _scheduled.observe(seconds, str(attempts) if attempts <= _MANY else f"{_MANY}+")
