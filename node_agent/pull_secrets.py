"""The logins that a pod's imagePullSecrets hold for an image's registry."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from node_agent.references import MissingReference, References, data_of
from node_agent.runtimes.base import Credentials
from timonel.api.types import core_v1

DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, slots=True)
class Logins:
    """What to try for one image, the most specific first, and the names of the Secrets that are not there."""

    tried: list[Credentials]
    missing: list[str]


class _Login(msgspec.Struct):
    username: str = ""
    password: str = ""
    auth: str = ""


class _DockerConfig(msgspec.Struct):
    auths: dict[str, _Login] = {}


def logins(pod: core_v1.Pod, image: str, refs: References) -> Logins:
    """All logins that are for the image; damaged Secrets are passed over."""
    found: list[tuple[str, Credentials]] = []
    missing: list[str] = []
    for name in (ref.name for ref in pod.spec.imagePullSecrets):
        try:
            data = data_of(refs, "Secret", pod.metadata.namespace, name)
        except MissingReference:
            missing.append(name)
        else:
            found += [(server, login) for server, login in _read(data) if is_for(server, image)]
    found.sort(key=lambda entry: len(entry[0]), reverse=True)
    return Logins(list(dict.fromkeys(login for _, login in found)), missing)


def registry_of(image: str) -> tuple[str, str]:
    """The host of the registry that an image comes from, and the image's name there."""
    first, slash, rest = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return "docker.io", image


def is_for(server: str, image: str) -> bool:
    """Whether a login's server, perhaps with * for a part of the host's name and with a path, is the image's."""
    host, _, path = server.removeprefix("https://").removeprefix("http://").rstrip("/").partition("/")
    wanted, name = registry_of(image)
    if host in DOCKER_HUB:
        return wanted in DOCKER_HUB
    parts, patterns = wanted.split("."), host.split(".")
    same = len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))
    return same and (path in ("", "v1", "v2") or name.startswith(path))


def _read(data: Mapping[str, bytes]) -> Iterator[tuple[str, Credentials]]:
    try:
        if ".dockerconfigjson" in data:
            auths = msgspec.json.decode(data[".dockerconfigjson"], type=_DockerConfig).auths
        else:
            auths = msgspec.json.decode(data.get(".dockercfg", b"{}"), type=dict[str, _Login])
    except msgspec.DecodeError:
        return
    for server, login in auths.items():
        if login.auth and not login.username:
            try:
                user, _, password = base64.b64decode(login.auth).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                continue
            yield server, Credentials(user, password)
        else:
            yield server, Credentials(login.username, login.password)
