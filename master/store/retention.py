"""How much history a store keeps: the rule of automatic compaction."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keep:
    """How much history automatic compaction leaves: ``seconds`` of it, but at most ``revisions``."""

    seconds: float = 300.0
    revisions: int = 10_000


class Retention:
    """Remembers which revision was current when."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._marks: deque[tuple[float, int]] = deque()

    def horizon(self, now: float, revision: int) -> int:
        """The revision before which history may go, where ``revision`` is current at ``now`` (seconds of any clock)."""
        if not self._marks or now - self._marks[-1][0] >= self._keep.seconds / 10:
            self._marks.append((now, revision))
        while len(self._marks) > 1 and now - self._marks[1][0] >= self._keep.seconds:
            self._marks.popleft()
        at, old = self._marks[0]
        return max(revision - self._keep.revisions, old if now - at >= self._keep.seconds else 0)
