"""Reads kubeconfig files: where a cluster's API is, whom to trust, and who one is. Imports nothing heavy."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Files = Sequence[tuple[Path, Mapping[str, Any]]]
"""Kubeconfigs that count together, by where they are."""

DEFAULT_PATH = Path("~/.kube/config")


class KubeconfigError(Exception):
    """A kubeconfig cannot be used; the text names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Access:
    """A way to reach an API server. Certificates and keys are PEM; empty ones are absent."""

    server: str
    ca: bytes = b""
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""
    namespace: str = "default"
    verify: bool = True
    """Whether the server must prove itself."""
    server_name: str = ""
    """The name in the server's certificate where it is not the URL's."""

    def tls(self) -> ssl.SSLContext:
        """What a TLS client needs.

        Raises:
            KubeconfigError: a certificate or key is malformed.
        """
        try:
            # With an authority of its own, the cluster is trusted by that alone, and the system's need not be read.
            context = ssl.create_default_context(cadata=self.ca.decode() or None)
            if not self.verify:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if self.certificate:
                _load_pair(context, self.certificate, self.key)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise KubeconfigError(f"the certificates for {self.server} cannot be used: {error}") from error
        return context


def load(path: Path | None = None, context: str = "") -> Access:
    """The access that a kubeconfig gives.

    Args:
        path: the file; by default all of those in $KUBECONFIG together, else ~/.kube/config. Where several files have
            an entry of one name, the first counts.
        context: the context's name; by default the current one.

    Raises:
        KubeconfigError: there is no such file or context, or an entry is incomplete.
    """
    return _access([(file, _parse(file)) for file in ([path] if path else _default_paths())], context)


def _parse(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror}; name a kubeconfig by $KUBECONFIG or --kubeconfig") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{path} is not YAML: {error}") from error
    if not isinstance(config, dict):
        raise KubeconfigError(f"{path} is not a kubeconfig: a mapping is expected")
    return config


def _access(files: Files, context_name: str) -> Access:
    current = (str(config["current-context"]) for _, config in files if config.get("current-context"))
    context_name = context_name or next(current, "")
    if not context_name:
        raise KubeconfigError(f"{_names(files)} has no current-context: name a context")
    _, context = _entry(files, "contexts", "context", context_name)
    path, cluster = _entry(files, "clusters", "cluster", str(context.get("cluster", "")))
    user_path, user = _entry(files, "users", "user", str(context["user"])) if context.get("user") else (path, {})
    if not cluster.get("server"):
        raise KubeconfigError(f'{path}: the cluster "{context.get("cluster")}" has no server')
    if "exec" in user or "auth-provider" in user:
        why = "logs in by a plugin, which timonel does not run"
        raise KubeconfigError(f'{user_path}: the user "{context["user"]}" {why}')
    token = str(user.get("token") or "")
    if not token and user.get("tokenFile"):
        token = _read(user_path, str(user["tokenFile"])).decode().strip()
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        ca=_data(path, cluster, "certificate-authority"),
        certificate=_data(user_path, user, "client-certificate"),
        key=_data(user_path, user, "client-key"),
        token=token,
        namespace=str(context.get("namespace") or "default"),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        server_name=str(cluster.get("tls-server-name") or ""),
    )


def _default_paths() -> list[Path]:
    """The files that there are of those in $KUBECONFIG; where there is none, the first, to be complained of."""
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    choices = named or [DEFAULT_PATH.expanduser()]
    return [path for path in choices if path.exists()] or choices[:1]


def _entry(files: Files, plural: str, singular: str, name: str) -> tuple[Path, Mapping[str, Any]]:
    """An entry and the file that it is in, from which its own files are found."""
    entries = [(path, entry) for path, config in files for entry in config.get(plural) or ()]
    for path, entry in entries:
        if entry.get("name") == name:
            return path, entry.get(singular) or {}
    known = ", ".join(str(entry.get("name")) for _, entry in entries) or "none"
    raise KubeconfigError(f'{_names(files)} has no {singular} "{name}"; it has: {known}')


def _names(files: Files) -> str:
    return os.pathsep.join(str(path) for path, _ in files)


def _data(path: Path, entry: Mapping[str, Any], name: str) -> bytes:
    """A PEM that is embedded as base64, or in a file of its own."""
    embedded = entry.get(f"{name}-data")
    if embedded:
        try:
            return base64.b64decode(str(embedded), validate=True)
        except binascii.Error as error:
            raise KubeconfigError(f"{path}: {name}-data is not base64: {error}") from error
    return _read(path, str(entry[name])) if entry.get(name) else b""


def _read(path: Path, name: str) -> bytes:
    """A file that the kubeconfig names, relative to it."""
    file = path.parent / name
    try:
        return file.read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{path} names {file}, which cannot be read: {error.strerror}") from error


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:  # the ssl module reads certificates from files only
        file = Path(directory) / "client.pem"
        file.touch(mode=0o600)
        file.write_bytes(certificate + b"\n" + key)
        context.load_cert_chain(file)
