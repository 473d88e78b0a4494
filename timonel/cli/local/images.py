"""Images for machines without a registry: what the demo and the tests run, built from Debian's busybox-static."""

from __future__ import annotations

import os

BUSYBOX = ("busybox:1.35.0", "busybox:1.35", "busybox:latest")
_STATIC = "/bin/busybox"


async def build() -> bool:
    """Make the busybox images that are missing; False when this machine has no static busybox to make them of.

    Where it has none, Docker pulls them like any other image.
    """
    if not os.access(_STATIC, os.X_OK):
        return False
    from node_agent.runtimes.docker.client import Daemon
    from node_agent.runtimes.docker.images_local import build_busybox

    daemon = Daemon()
    try:
        missing = [name for name in BUSYBOX if await daemon.inspect_image(name) is None]
        if missing:
            await daemon.with_package(lambda client: build_busybox(client, *missing))
    finally:
        await daemon.close()
    return True
