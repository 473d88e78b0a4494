"""``python -m node_agent.purge``: remove everything that a stopped agent left running on this machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
from pathlib import Path

from node_agent.network.bridge import BridgeNetwork
from node_agent.runtimes.base import RuntimeUnavailable
from node_agent.runtimes.docker.runtime import DockerRuntime
from node_agent.volumes.mounts import unmount_all_under

log = logging.getLogger(__name__)

DEFAULT_CLUSTER_CIDR = "10.244.0.0/16"


async def purge(cluster: str, node: str, state_dir: Path, cluster_cidr: str = DEFAULT_CLUSTER_CIDR) -> None:
    """Remove a node's containers, network and files; what is gone already is no error. Its agent must not run.

    Raises:
        RuntimeUnavailable: Docker does not answer, so containers may be left; network and files are gone.
    """
    runtime = DockerRuntime(cluster=cluster, node=node)
    network = BridgeNetwork(cluster=cluster, node=node, cluster_cidr=cluster_cidr)
    try:
        for pod in await runtime.pods():
            containers = (runtime.remove_container(container.id) for container in pod.containers)
            sandboxes = (runtime.remove_sandbox(sandbox.id) for sandbox in pod.sandboxes)
            await asyncio.gather(*containers, *sandboxes)
    finally:
        await runtime.close()
        await network.close(remove=True)
        unmount_all_under(state_dir)
        shutil.rmtree(state_dir, ignore_errors=True)


def main() -> int:
    """Purge one node; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m node_agent.purge", description=__doc__)
    parser.add_argument("--cluster", default="timonel", help="the agent's --cluster")
    parser.add_argument("--name", required=True, action="append", help="the agent's --name; may be repeated")
    parser.add_argument("--cluster-cidr", default=DEFAULT_CLUSTER_CIDR, help="the agent's --cluster-cidr")
    parser.add_argument("--nodes-dir", required=True, type=Path, help="the folder in which each node has its state")
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
    for name in options.name:
        try:
            asyncio.run(purge(options.cluster, name, options.nodes_dir / name, options.cluster_cidr))
        except RuntimeUnavailable as error:
            log.error("containers of %s may be left: %s", name, error)  # the text is for a user
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
