"""Which version of the Kubernetes API this is."""

from importlib import metadata
from typing import Any

KUBERNETES = (1, 35, 0)


def git_version() -> str:
    """As kubectl shows it: the Kubernetes version, and Timonel's own behind the plus."""
    return f"v{'.'.join(map(str, KUBERNETES))}+timonel-{_own_version()}"


def document() -> dict[str, Any]:
    """The answer of `/version`."""
    major, minor, _ = KUBERNETES
    return {
        "major": str(major),
        "minor": str(minor),
        "gitVersion": git_version(),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "CPython",
        "platform": "linux",
    }


def _own_version() -> str:
    try:
        return metadata.version("timonel")
    except metadata.PackageNotFoundError:
        return "dev"
