"""Lifecycle hooks: postStart and preStop."""

import asyncio

from node_agent.handlers import OK, Outcome, Target, Verdict, http_get, run_command
from node_agent.ports import PortUnknown
from node_agent.runtimes.base import Streams
from timonel.api.types import core_v1


async def run_hook(handler: core_v1.LifecycleHandler, target: Target, streams: Streams, seconds: float) -> Outcome:
    """Run it to its end, at most so long.

    A tcpSocket is no handler, as in Kubernetes, whose API keeps that field for old manifests only.
    """
    try:
        if handler.exec is not None:
            return await run_command(streams, target.container_id, handler.exec.command, seconds)
        async with asyncio.timeout(seconds):
            if handler.sleep is not None:
                await asyncio.sleep(handler.sleep.seconds)
                return OK
            if handler.httpGet is not None:
                return await http_get(handler.httpGet, target)
    except TimeoutError:
        return Outcome(Verdict.FAILURE, f"the hook did not end within {seconds:g} s")
    except PortUnknown as error:
        return Outcome(Verdict.FAILURE, str(error))
    return Outcome(Verdict.FAILURE, "invalid handler")
