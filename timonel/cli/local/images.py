"""Images for machines without a registry: what the demo and the tests run, built from Debian's busybox-static."""

from __future__ import annotations

from pathlib import Path

BUSYBOX = ("busybox:1.35.0", "busybox:1.35", "busybox:latest")
_STATIC = Path("/bin/busybox")


def build() -> bool:
    """Make the busybox images that are missing; False when this machine has no static busybox to make them of.

    Where it has none, Docker pulls them like any other image.
    """
    if not _STATIC.exists():
        return False
    import docker

    from node_agent.runtimes.docker.client import DEFAULT_URL
    from node_agent.runtimes.docker.images_local import build_busybox

    client = docker.APIClient(DEFAULT_URL, version="auto")
    try:
        build_busybox(client, *BUSYBOX)
    finally:
        client.close()
    return True
