"""Which kubectl there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache


@cache
def version() -> tuple[int, int] | None:
    """kubectl's version, such as (1, 27); None when there is no kubectl on the PATH."""
    if shutil.which("kubectl") is None:
        return None
    told = subprocess.run(["kubectl", "version", "--client", "-o", "json"], capture_output=True, check=True).stdout
    found = re.match(r"v(\d+)\.(\d+)", json.loads(told)["clientVersion"]["gitVersion"])
    assert found, told
    return int(found[1]), int(found[2])


def unfit(least: str) -> str:
    """Why tests that need a kubectl of at least this version cannot run; empty when they can."""
    found = version()
    if found is None:
        return "there is no kubectl on this machine (Debian: kubernetes-client)"
    if found < tuple(map(int, least.split("."))):
        return f"kubectl {found[0]}.{found[1]} is on the PATH, this needs {least} or newer"
    return ""
