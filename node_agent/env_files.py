"""Variables from files that containers wrote into an emptyDir (fileKeyRef), in Kubernetes' format of env files.

That is KEY='value' in lines of their own, with comments and empty lines between. What is in the quotes is taken as it
is, line ends included; the last value of a name holds.
"""

import os
import re
import stat
from pathlib import Path, PurePosixPath

MAX_BYTES = 64 * 1024
_NOTHING = re.compile(r"[ \t\r]*(#[^\n]*)?(\n|$)")
_VARIABLE = re.compile(r"[ \t]*(?P<key>[^\s=#']+)='(?P<value>[^']*)'[ \t\r]*(#[^\n]*)?(\n|$)")


class EnvFileError(ValueError):
    """The file is too big, is none, or has another format."""


def read(volume: Path, path: str) -> dict[str, str]:
    """The variables in a file of a volume; no link is followed, since whoever wrote the file could lead it elsewhere.

    Raises FileNotFoundError when it is not there, EnvFileError.
    """
    *folders, name = PurePosixPath(path).parts
    if ".." in (*folders, name) or path.startswith("/"):
        raise EnvFileError(f"{path} is not a path inside of the volume")
    here = os.open(volume, os.O_PATH | os.O_DIRECTORY)
    try:
        for folder in folders:
            deeper = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = deeper
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise EnvFileError(f"{path} is not a file")
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise EnvFileError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(here)
    if len(content) > MAX_BYTES:
        raise EnvFileError(f"{path} is larger than {MAX_BYTES // 1024} KiB")
    return parse(content.decode(errors="replace"))


def parse(text: str) -> dict[str, str]:
    """The variables of an env file. Raises EnvFileError with the number of the line that is none."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        if variable := _VARIABLE.match(text, at):
            found[variable["key"]] = variable["value"]
        part = variable or _NOTHING.match(text, at)
        if part is None:
            raise EnvFileError(f"line {text.count(chr(10), 0, at) + 1} is not KEY='value'")
        at = part.end()
    return found
