"""``python -m master``: run the master until SIGTERM or SIGINT; what nodes run goes on after that."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from ipaddress import IPv4Network
from pathlib import Path

from timonel.start import no_garbage

with no_garbage():
    import timonel.lean_aiohttp  # noqa: F401  # before those who import aiohttp itself
    from master import access_flags, serving_flags
    from master.configuration import ConfigurationError
    from master.controllers.view import DEFAULT_CLUSTER_CIDR
    from master.master import Master, Settings
    from master.store.base import StoreError

log = logging.getLogger("master")


def main(arguments: list[str] | None = None) -> int:
    """Run the master; the process's exit code."""
    options = _parse(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(_run(_settings(options)))
    except (OSError, StoreError, ConfigurationError) as error:
        log.error("the master cannot run: %s", error)  # the text is for a user, a traceback says no more
        return 1
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        data_dir=options.data_dir.resolve(),
        etcd=tuple(options.etcd),
        address=options.address,
        api_port=options.api_port,
        bootstrap_port=options.bootstrap_port,
        node_port=options.node_port,
        cluster_cidr=options.cluster_cidr,
        hosts=tuple(options.host),
        token_file=options.token_auth_file,
        join_token=options.join_token_file.read_text().strip() if options.join_token_file else "",
        oidc=access_flags.oidc(options),
        request_headers=access_flags.request_headers(options),
        audit=access_flags.audit(options),
        concurrency=serving_flags.concurrency(options),
        tracing=options.tracing_config,
        admission_plugins=options.admission_plugins,
    )


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    master = Master(settings)
    with no_garbage():
        await master.start()
    log.info("the master serves at %s", master.endpoints.api)
    await stop.wait()
    log.info("stopping")
    await master.close()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m master", description="The master of a Timonel cluster.")
    parser.add_argument("--data-dir", required=True, type=Path, help="keys, certificates and the embedded store")
    parser.add_argument(
        "--etcd",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="an etcd member; without it the store is embedded",
    )
    parser.add_argument("--address", default="0.0.0.0", help="the address to listen on")
    parser.add_argument("--api-port", type=int, default=6443, help="the Kubernetes API; 0 takes a free one")
    parser.add_argument("--bootstrap-port", type=int, default=6444, help="where nodes join; 0 takes a free one")
    parser.add_argument("--node-port", type=int, default=6445, help="where nodes work; 0 takes a free one")
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="a further name or address of this machine"
    )
    parser.add_argument(
        "--cluster-cidr", type=IPv4Network, default=DEFAULT_CLUSTER_CIDR, help="the range of all pods' addresses"
    )
    access_flags.add(parser)
    serving_flags.add(parser)
    parser.add_argument(
        "--join-token-file", type=Path, help="a file with a bootstrap token that is good from the start"
    )
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
