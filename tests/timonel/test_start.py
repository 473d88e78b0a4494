"""What makes processes start sooner must not change what they see."""

import gc
import os
import subprocess
import sys

from timonel.start import no_garbage


def in_a_new_process(code: str, **env: str) -> str:
    ran = subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_garbage_is_looked_for_again_afterwards() -> None:
    try:
        with no_garbage():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_who_makes_contexts_later_finds_the_systems_authorities() -> None:
    code = """
import os
from timonel.lean_aiohttp import aiohttp
from aiohttp import connector
print(len(connector._SSL_CONTEXT_VERIFIED.get_ca_certs()), os.environ["SSL_CERT_FILE"])
"""
    assert in_a_new_process(code, SSL_CERT_FILE="/some/file").split() == ["0", "/some/file"]


def test_who_imports_pyroute2_later_gets_it_whole() -> None:
    code = """
from node_agent.network.lean_pyroute2 import IPRoute
import sys
assert not any(name.startswith("pyroute2.ndb") for name in sys.modules)
import pyroute2
print(pyroute2.IPRoute is IPRoute, pyroute2.NDB.__name__)
"""
    assert in_a_new_process(code).split() == ["True", "NDB"]
