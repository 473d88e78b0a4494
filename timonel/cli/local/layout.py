"""Where a local cluster keeps its files, and how it was made."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

DEFAULT_NAME = "local"


def home() -> Path:
    """$TIMONEL_HOME, or ~/.timonel."""
    return Path(os.environ.get("TIMONEL_HOME") or Path.home() / ".timonel")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster was made as; later starts keep to it."""

    nodes: int
    store: str
    api_port: int
    bootstrap_port: int
    node_port: int
    cluster_cidr: str = "10.244.0.0/16"
    etcd_port: int = 0
    etcd_peer_port: int = 0
    admission_plugins: str = ""
    """A folder of admission plugins in Python."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one local cluster."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> Layout:
        """The layout of the cluster with that name, which need not exist."""
        return cls(name, home() / "clusters" / name)

    @property
    def label(self) -> str:
        """What tells this cluster's containers apart on a Docker that another of the same name may share."""
        return f"{self.name}-{hashlib.blake2b(str(self.root.resolve()).encode(), digest_size=3).hexdigest()}"

    @property
    def master(self) -> Path:
        """The master's data directory."""
        return self.root / "master"

    @property
    def processes(self) -> Path:
        """Records and logs of the processes."""
        return self.root / "processes"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.master / "admin.kubeconfig"

    def node(self, name: str) -> Path:
        """A node's state directory."""
        return self.root / "nodes" / name

    def load(self) -> Shape | None:
        """What the cluster was made as; None when there is none."""
        try:
            return Shape(**json.loads((self.root / "cluster.json").read_text()))
        except FileNotFoundError:
            return None

    def save(self, shape: Shape) -> None:
        """Record what the cluster is made as."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / "cluster.json").write_text(json.dumps(asdict(shape)))


def default_kubeconfig() -> Path | None:
    """The kubeconfig of the local cluster, if there is one."""
    path = Layout.of(DEFAULT_NAME).kubeconfig
    return path if path.exists() else None
