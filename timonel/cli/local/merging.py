"""The local cluster in the user's own kubeconfig, beside what else is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from timonel.cli.errors import CliError
from timonel.cli.local.layout import Layout

_SECTIONS = ("clusters", "contexts", "users")


def user_kubeconfig() -> Path:
    """The first file of $KUBECONFIG, or ~/.kube/config."""
    first = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(first) if first else Path.home() / ".kube" / "config"


def named(layout: Layout) -> dict[str, Any]:
    """The cluster's kubeconfig with its cluster, user and context all named `timonel-<cluster>`.

    Raises:
        CliError: there is no such cluster.
    """
    try:
        config: dict[str, Any] = yaml.safe_load(layout.kubeconfig.read_text())
    except FileNotFoundError:
        raise CliError(f"there is no cluster {layout.name}: 'timonel up' starts one") from None
    name = f"timonel-{layout.name}"
    for section in _SECTIONS:
        for entry in config[section]:
            entry["name"] = name
    config["contexts"][0]["context"] |= {"cluster": name, "user": name}
    config["current-context"] = name
    return config


def merge(layout: Layout) -> Path:
    """Put the cluster into the user's kubeconfig and make it the current one; the file that was written.

    Raises:
        CliError: the file is no kubeconfig, or there is no such cluster.
    """
    path = user_kubeconfig()
    mine = named(layout)
    config = _read(path)
    for section in _SECTIONS:
        others = [entry for entry in config.get(section) or [] if entry["name"] != mine["current-context"]]
        config[section] = others + mine[section]
    config["current-context"] = mine["current-context"]
    _write(path, config)
    return path


def remove_from_user_kubeconfig(layout: Layout) -> None:
    """Take the cluster out of the user's kubeconfig; one that is not in it is no error."""
    path, name = user_kubeconfig(), f"timonel-{layout.name}"
    if not path.exists():
        return
    config = _read(path)
    if not any(entry["name"] == name for section in _SECTIONS for entry in config.get(section) or []):
        return
    for section in _SECTIONS:
        config[section] = [entry for entry in config.get(section) or [] if entry["name"] != name]
    if config.get("current-context") == name:
        config["current-context"] = ""
    _write(path, config)


def _read(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        config = {}
    except yaml.YAMLError as error:
        raise CliError(f"{path} is no YAML: {error}; nothing was changed") from error
    if not isinstance(config, dict):
        raise CliError(f"{path} is no kubeconfig; nothing was changed")
    return {"apiVersion": "v1", "kind": "Config", **config}


def _write(path: Path, config: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.timonel")
    scratch.touch(mode=0o600)
    scratch.write_text(yaml.safe_dump(config, sort_keys=False))
    scratch.replace(path)
