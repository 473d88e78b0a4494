"""What admission remarks on a request, for the audit log; nobody else reads it.

The server that writes the log begins to collect for a request; whoever has a remark makes it, wherever in the request's
handling that is. Without a collector, remarks are lost.
"""

from contextvars import ContextVar

MOST = 64
LONGEST = 10 * 1024
"""Characters of one remark, as Kubernetes limits those of admission policies."""

_collected: ContextVar[dict[str, str] | None] = ContextVar("remarks", default=None)


def collect() -> dict[str, str]:
    """Begin anew for the request that this task handles from here on; gives where its remarks will be."""
    remarks: dict[str, str] = {}
    _collected.set(remarks)
    return remarks


def remark(key: str, text: str) -> None:
    """Make a remark on the request under way. The first with a key stays; too many are dropped, long ones cut."""
    remarks = _collected.get()
    if remarks is not None and len(remarks) < MOST:
        remarks.setdefault(key, text[:LONGEST])
