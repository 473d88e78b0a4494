"""A real etcd server for tests."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class EtcdServer:
    """One etcd process on ports of its own, which can be killed, paused and started again with its data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.client_port, self.peer_port = _free_port(), _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.client_port}"

    def start(self, **options: str) -> None:
        """Start it, and wait until it serves; ``options`` are etcd's, with ``_`` for ``-``."""
        scheme = "https" if "cert_file" in options else "http"
        peer, client = f"http://127.0.0.1:{self.peer_port}", f"{scheme}://{self.endpoint}"
        arguments = {
            "name": "test",
            "data-dir": self.directory / "data",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"test={peer}",
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        log = (self.directory / "log").open("ab")
        begin = log.tell()
        self.process = subprocess.Popen(
            ["etcd", *(f"--{name}={value}" for name, value in arguments.items())], stdout=log, stderr=log
        )
        log.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            # It listens long before, but killed then it would never start again.
            if b"ready to serve client requests" in (self.directory / "log").read_bytes()[begin:]:
                return
            time.sleep(0.02)
        raise TimeoutError(f"etcd did not start: {(self.directory / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def etcd_server(directory: Path) -> Iterator[EtcdServer]:
    """A running server, killed at the end; skips the test, with the reason, where there is no binary."""
    if shutil.which("etcd") is None:
        pytest.skip("no etcd server binary on this machine (Debian: etcd-server)")
    server = EtcdServer(directory)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.kill()
