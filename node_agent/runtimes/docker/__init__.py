"""Docker as a container runtime. Nothing else in the node agent talks to Docker."""

from node_agent.runtimes.docker.client import DEFAULT_URL
from node_agent.runtimes.docker.runtime import DockerRuntime

__all__ = ["DEFAULT_URL", "DockerRuntime"]
