"""The node's certificate and key on disk, readable by their owner only."""

import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from timonel.api.time import parse, text


@dataclass(frozen=True, slots=True)
class NodeCredentials:
    """Key and certificate are one file, so that a renewal replaces both at once."""

    directory: Path

    @property
    def _pair(self) -> Path:
        return self.directory / "node.pem"

    @property
    def _ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def _renewal(self) -> Path:
        return self.directory / "renew-at"

    @property
    def exist(self) -> bool:
        """Whether the node has joined."""
        return self._pair.exists() and self._ca.exists()

    def write(self, certificate: bytes, key: bytes, ca: bytes, renew_at: datetime) -> None:
        """Store them, replacing older ones. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(self._ca, ca)
        _replace(self._pair, certificate.rstrip() + b"\n" + key)
        _replace(self._renewal, text(renew_at).encode())

    def read(self) -> tuple[bytes, bytes, bytes]:
        """Certificate, key and CA, PEM. Raises OSError."""
        pair = self._pair.read_bytes()
        start = pair.index(b"-----BEGIN PRIVATE KEY-----")
        return pair[:start], pair[start:], self._ca.read_bytes()

    def renew_at(self) -> datetime:
        """When the certificate is to be renewed; at once when that is not known."""
        try:
            return parse(self._renewal.read_text().strip())
        except (OSError, ValueError):
            return datetime.now(UTC)


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
