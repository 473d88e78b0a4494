"""Small parts of exec and attach: window sizes, and statuses as Kubernetes' v4 channel protocol has them."""

import msgspec

from node_agent.runtimes.base import Terminal
from timonel.api.types import meta_v1


class _Size(msgspec.Struct, rename="pascal"):
    width: int
    height: int


async def resize(terminal: Terminal, data: bytes) -> None:
    """Take a RESIZE frame; one that cannot be read is left."""
    try:
        size = msgspec.json.decode(data, type=_Size)
    except msgspec.DecodeError:
        return
    await terminal.resize(size.width, size.height)


def success() -> meta_v1.Status:
    """All went well."""
    return meta_v1.Status(status="Success")


def terminal_status(exit_code: int) -> meta_v1.Status:
    """How a command ended."""
    if exit_code == 0:
        return success()
    return meta_v1.Status(
        status="Failure",
        reason="NonZeroExitCode",
        message=f"command terminated with non-zero exit code: exit status {exit_code}",
        details=meta_v1.StatusDetails(causes=[meta_v1.StatusCause(reason="ExitCode", message=str(exit_code))]),
    )
