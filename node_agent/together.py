"""``python -m node_agent.together``: start several agents on one machine, and import only once what all of them need.

Reads `[{"log": path, "arguments": [...]}, ...]` as JSON from standard input, forks one agent for each, in a session of
its own and with its output in its log, and writes their pids as a JSON list. An agent is then what ``python -m
node_agent`` would be; ps and top know it by its node's name.
"""

import json
import os
import sys
from pathlib import Path

from timonel.start import no_garbage

with no_garbage():
    from node_agent import __main__ as agent


def main() -> int:
    """Fork the agents; in the parent 0, in an agent its exit code when it ends."""
    agents = json.load(sys.stdin)
    with no_garbage():
        for one in agents:
            agent.load(agent.parse(one["arguments"]).runtime)
    pids = []
    for one in agents:
        pid = os.fork()
        if not pid:
            _detach(Path(one["log"]))
            Path("/proc/self/comm").write_text(agent.parse(one["arguments"]).name)
            return agent.main(one["arguments"])
        pids.append(pid)
    sys.stdout.write(json.dumps(pids))
    return 0


def _detach(log: Path) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for opened, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(opened, standard)
    os.close(nothing)
    os.close(output)


if __name__ == "__main__":
    sys.exit(main())
