"""A container runtime that pretends: for tests, and for nodes that exist to be scheduled on.

Several `FakeRuntime`s on one `World` are several nodes on one daemon; a new one on an old world is an agent restarted.
"""

from node_agent.runtimes.fake.clock import Clock, ManualClock, RealClock
from node_agent.runtimes.fake.runtime import FakeRuntime
from node_agent.runtimes.fake.script import Behaviour, Command, Pull
from node_agent.runtimes.fake.world import World

__all__ = ["Behaviour", "Clock", "Command", "FakeRuntime", "ManualClock", "Pull", "RealClock", "World"]
