"""``python -m node_agent``: run the agent of one node until SIGTERM or SIGINT; its pods run on after that."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from timonel.start import no_garbage

with no_garbage():
    from node_agent.credentials import NodeCredentials
    from node_agent.node import Node
    from node_agent.node_status import MAX_PODS, NodeConfig, default_address
    from node_agent.runtimes.base import Network, NodeRuntime
    from timonel.api.quantity import Quantity

logger = logging.getLogger(__name__)

MASTER_SECONDS = 60.0
"""How long a node waits for a master to join: they may be started together."""
RETRY_SECONDS = 0.05
DEFAULT_CLUSTER_CIDR = "10.244.0.0/16"
RUNTIME_MODULES = {
    "docker": ("node_agent.network.bridge", "node_agent.runtimes.docker.runtime"),
    "fake": ("node_agent.network.fake", "node_agent.runtimes.fake"),
}
"""What is imported for a runtime, and for no other."""


def main(arguments: list[str] | None = None) -> int:
    """Run the agent; the process's exit code."""
    options = parse(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials = NodeCredentials(options.state_dir / "pki")
    joining = None if credentials.exist else _begin_to_join(options, credentials)
    return asyncio.run(run(options, credentials, joining))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m node_agent", description="Runs pods on this machine's Docker.")
    parser.add_argument("--name", required=True, help="the node's name")
    parser.add_argument("--state-dir", required=True, type=Path, help="where credentials and volumes are kept")
    parser.add_argument("--master", required=True, metavar="HOST:PORT", help="the master's node address")
    parser.add_argument("--join", metavar="HOST:PORT", help="the master's bootstrap address, to join")
    parser.add_argument("--join-token", metavar="TOKEN", help="the bootstrap token, to join")
    parser.add_argument("--ca-pin", metavar="sha256:HEX", help="the hash of the CA's public key, to join")
    parser.add_argument("--cluster", default="timonel", help="tells clusters on one machine apart")
    parser.add_argument("--cluster-cidr", default=DEFAULT_CLUSTER_CIDR, help="the range of all pods of the cluster")
    parser.add_argument("--runtime", choices=tuple(RUNTIME_MODULES), default="docker", help="where containers run")
    parser.add_argument("--docker", metavar="URL", help="the Docker daemon, by default $DOCKER_HOST or the machine's")
    parser.add_argument("--address", action="append", metavar="IP", help="the node's address, by default found out")
    parser.add_argument("--cpus", type=float, help="the node's share of the machine's cores")
    parser.add_argument("--memory", type=_bytes, help="the node's share of the machine's memory, for instance 4Gi")
    parser.add_argument("--max-pods", type=int, default=MAX_PODS, help="how many pods the node takes")
    parser.add_argument("--pod-max-pids", type=int, metavar="N", help="how many processes a container may have")
    parser.add_argument(
        "--allowed-unsafe-sysctls",
        type=_names,
        default=(),
        metavar="NAME,...",
        help="what pods may set; kernel.msg* is many",
    )
    parser.add_argument("--label", action="append", default=[], type=_label, metavar="KEY=VALUE", help="a node label")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace, credentials: NodeCredentials, joining: int | None = None) -> int:
    """Run one node until a signal; the process's exit code. `joining` is the process that gets the credentials."""
    config = NodeConfig(
        name=options.name,
        state_dir=options.state_dir.resolve(),
        addresses=options.address or [default_address()],
        cpus=options.cpus,
        memory_bytes=options.memory,
        pods=options.max_pods,
        container_pids=options.pod_max_pids,
        unsafe_sysctls=options.allowed_unsafe_sysctls,
        labels=dict(options.label),
        secrets_in_memory=options.runtime != "fake",
    )
    with no_garbage():
        node = Node(config, *backend(options), options.master, credentials)
    await node.look()
    if joining is not None:
        _, status = await asyncio.to_thread(os.waitpid, joining, 0)
        if status:
            return 1
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await node.start()
    logger.info("node %s runs", options.name)
    await stop.wait()
    await node.close()
    return 0


def load(runtime: str) -> None:
    """Import what the nodes of a runtime need."""
    for name in RUNTIME_MODULES[runtime]:
        import_module(name)


def backend(options: argparse.Namespace) -> tuple[NodeRuntime, Network]:
    """The runtime and network that were asked for; only theirs are imported."""
    if options.runtime == "fake":
        from node_agent.network.fake import FakeNetwork
        from node_agent.runtimes.fake import FakeRuntime

        return FakeRuntime(cluster=options.cluster, node=options.name), FakeNetwork()
    from node_agent.network.bridge import BridgeNetwork
    from node_agent.runtimes.docker.client import DEFAULT_URL
    from node_agent.runtimes.docker.runtime import DockerRuntime

    runtime = DockerRuntime(cluster=options.cluster, node=options.name, base_url=options.docker or DEFAULT_URL)
    network = BridgeNetwork(cluster=options.cluster, node=options.name, cluster_cidr=options.cluster_cidr)
    return runtime, network


def _begin_to_join(options: argparse.Namespace, credentials: NodeCredentials) -> int:
    """Fork a process that joins, so that this one never loads what only joining needs, and looks around meanwhile.

    Called before there are threads. The process ends with 0 when the credentials are there.
    """
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    joined = False
    try:
        joined = _join(options, credentials, parent)
    finally:
        os._exit(0 if joined else 1)  # what the parent has open is not this process's to close


def _join(options: argparse.Namespace, credentials: NodeCredentials, parent: int) -> bool:
    """Get the node's certificate; False, with the reason logged, when that fails."""
    if not (options.join and options.join_token and options.ca_pin):
        logger.error("this node has not joined a cluster yet: give --join, --join-token and --ca-pin")
        return False
    from node_agent.join import JoinFailure, MasterUnreachable, join  # needs cryptography, once

    deadline = time.monotonic() + MASTER_SECONDS
    while os.getppid() == parent:
        try:
            join(options.join, options.name, options.join_token, options.ca_pin, credentials.directory)
        except MasterUnreachable as failure:
            if time.monotonic() > deadline:
                logger.error("%s; gave up after %.0f s", failure, MASTER_SECONDS)  # for a user
                return False
            time.sleep(RETRY_SECONDS)
        except JoinFailure as failure:
            logger.error("%s", failure)  # the text is for a user, a traceback says no more
            return False
        else:
            return True
    return False


def _bytes(text: str) -> int:
    return Quantity(text).to_int()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _label(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


if __name__ == "__main__":
    sys.exit(main())
