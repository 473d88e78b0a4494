"""From the command `timonel up` to Ready nodes, and to a demo whose every pod answers HTTP.

Run as root: ``python -m bench.up [rounds]``. Each round starts a new cluster and removes it.
"""

import asyncio
import sys
import time
from collections import defaultdict
from pathlib import Path

from bench._cluster import Place, lines_of, place
from bench._report import show, spread
from timonel import kubeconfig
from timonel.api.types import core_v1
from timonel.client import Client

DEMO = Path(__file__).parents[1] / "manifests" / "demo"
DEMO_PODS = 4
PORT = 8080
ROUND_SECONDS = 60.0
LOOK_SECONDS = 0.01
MASTER, NODES, DEMO_ANSWERS = "the master serving", "all nodes Ready", "every pod of the demo answering"

Times = dict[str, list[float]]


async def round_of(where: Place, times: Times) -> None:
    """One start, watched from outside."""
    begin = time.perf_counter()
    serves = asyncio.Event()
    async with asyncio.timeout(ROUND_SECONDS), lines_of(*where.up("--apply", str(DEMO)), env=where.env) as lines:
        answered = asyncio.create_task(demo_answers(where, serves))
        answered.add_done_callback(lambda _: times[DEMO_ANSWERS].append(time.perf_counter() - begin))
        try:
            said = await follow(lines, begin, serves, times)
            if not serves.is_set():
                raise RuntimeError(f"timonel up failed:\n{said}")
            await answered
        finally:
            answered.cancel()


async def follow(lines: asyncio.StreamReader, begin: float, serves: asyncio.Event, times: Times) -> str:
    """Note when the command says that a step is done; all its words, when it has ended."""
    said = []
    async for line in lines:
        said.append(line.decode())
        words = said[-1].split()[1:3]  # of "  1.2 s  nodes  3 ready: ..."
        if words == ["s", "master"]:
            times[MASTER].append(time.perf_counter() - begin)
            serves.set()
        elif words == ["s", "nodes"]:
            times[NODES].append(time.perf_counter() - begin)
    return "".join(said)


async def demo_answers(where: Place, serves: asyncio.Event) -> None:
    """Return when as many pods as the demo has answer HTTP."""
    await serves.wait()
    asked: dict[str, asyncio.Task[None]] = {}
    async with Client(kubeconfig.load(where.kubeconfig)) as client, asyncio.TaskGroup() as group:
        async for event in client.kind(core_v1.Pod).watch("default"):
            pod = event.object
            if pod is not None and pod.status.podIP and pod.metadata.uid not in asked:
                asked[pod.metadata.uid or ""] = group.create_task(answers(pod.status.podIP))
            if len(asked) == DEMO_PODS:
                return


async def answers(address: str) -> None:
    """Return when a web server answers there, whatever it says."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(address, PORT)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await reader.readline()
            writer.close()
        except OSError:
            answer = b""
        if answer.startswith(b"HTTP/1."):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def main(rounds: int) -> None:
    """Measure and print."""
    times: Times = defaultdict(list)
    for _ in range(rounds):
        with place() as where:
            await round_of(where, times)
    rows = [[name, *spread(values)] for name, values in sorted(times.items(), key=lambda item: item[1])]
    title = f"timonel up, 3 nodes, {rounds} rounds (goals: nodes 2 s, demo 4 s)"
    show(title, ["seconds from the command to", "median", "least", "most"], rows)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
