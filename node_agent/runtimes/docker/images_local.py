"""Images made on the machine itself, so that a node needs no registry to run its first pod."""

import io
import logging
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import docker

log = logging.getLogger(__name__)

_PAUSE_REPOSITORY = "timonel/pause"
_PAUSE_VERSION = "1"
"""Raised with every change of pause.c or of the fall-back."""
_MAKES_NETWORK = "timonel.io/pause-makes-network"
_COMPILER_SECONDS = 60
_BUSYBOX = Path("/bin/busybox")
_SHELL_PAUSE = "trap 'exit 0' TERM INT; while :; do sleep 2147483647 & wait $!; done"
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUP = "root:x:0:\nnogroup:x:65534:\n"


@dataclass(frozen=True, slots=True)
class Pause:
    """The pause image that is there, and whether its program can make a network namespace."""

    image: str
    makes_network: bool


def pause_name() -> str:
    """What the pause image is called."""
    return f"{_PAUSE_REPOSITORY}:{_PAUSE_VERSION}"


def pause_of(inspected: Mapping[str, Any]) -> Pause:
    """The pause image that an inspection found."""
    labels = inspected["Config"]["Labels"] or {}
    return Pause(pause_name(), makes_network=labels.get(_MAKES_NETWORK) == "true")


def ensure_pause(client: "docker.APIClient") -> Pause:
    """Have the pause image: compiled from pause.c, or without a compiler a shell loop in busybox.

    Raises OSError with what to install when there is neither.
    """
    from docker.errors import ImageNotFound

    try:
        return pause_of(client.inspect_image(pause_name()))  # type: ignore[no-untyped-call]
    except ImageNotFound:
        program = _compiled_pause()
        if program:
            changes = ['ENTRYPOINT ["/pause"]', f"LABEL {_MAKES_NETWORK}=true"]
            files = {"pause": program}
        else:
            log.warning("no C compiler: the pause image is made of busybox; with gcc pods start faster")
            changes = [f'ENTRYPOINT ["/busybox", "sh", "-c", "{_SHELL_PAUSE}"]']
            files = {"busybox": _busybox()}
        client.import_image_from_data(_tar(files, {}), _PAUSE_REPOSITORY, _PAUSE_VERSION, changes)
        return Pause(pause_name(), makes_network=program is not None)


def build_busybox(client: "docker.APIClient", *names: str) -> None:
    """Make busybox images under these names (``busybox:latest`` for instance), those that are there already excepted.

    Each says its own name in /etc/image, so that a rolling update can be seen. Raises OSError without busybox-static.
    """
    from docker.errors import ImageNotFound

    for name in names:
        try:
            client.inspect_image(name)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            repository, _, tag = name.rpartition(":")
            links = {f"bin/{applet}": "busybox" for applet in _applets() if applet != "busybox"}
            files: dict[str, bytes | str] = {
                "bin/busybox": _busybox(),
                "etc/passwd": _PASSWD,
                "etc/group": _GROUP,
                "etc/image": f"{name}\n",
            }
            client.import_image_from_data(_tar(files, links), repository, tag, ['CMD ["sh"]'])


def _compiled_pause() -> bytes | None:
    """The static program, None when there is no working compiler."""
    source = Path(__file__).with_name("pause.c")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "pause")
        command = ["cc", "-static", "-Os", "-s", "-o", str(program), str(source)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_COMPILER_SECONDS)
        except FileNotFoundError:
            return None
        except subprocess.SubprocessError as error:
            log.warning("the C compiler cannot make the pause program: %s", error)
            return None
        return program.read_bytes()


def _busybox() -> bytes:
    try:
        return _BUSYBOX.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{_BUSYBOX} is missing: install the package busybox-static") from None


def _applets() -> list[str]:
    _busybox()
    listed = subprocess.run([_BUSYBOX, "--list"], check=True, capture_output=True, text=True, timeout=_COMPILER_SECONDS)
    return listed.stdout.split()


def _tar(files: Mapping[str, bytes | str], links: Mapping[str, str]) -> bytes:
    """A file system as `docker import` takes it, with the folders that programs expect."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, mode in {"tmp": 0o1777, "root": 0o700, "bin": 0o755, "etc": 0o755, "var": 0o755}.items():
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = 0o644 if path.startswith(f"etc{os.sep}") else 0o755
            archive.addfile(entry, io.BytesIO(data))
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, target, 0o777
            archive.addfile(entry)
    return buffer.getvalue()
