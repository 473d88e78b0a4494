"""Generate timonel/rpc from proto/*.proto: messages, stubs and their types."""

import re
import sys
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
PACKAGE = "timonel/rpc"
PLUGINS = [
    f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")
]


def generate(root: Path = ROOT) -> None:
    """Write the generated modules to the package below `root`.

    protoc is told that the sources lie in the package, so that modules import one another from there and the files'
    names, which are global to a process, clash with nobody's.

    Raises:
        SystemExit: protoc refused a source; it has printed why.
    """
    for source in sorted(SOURCES.glob("*.proto")):
        outputs = ["python", "mypy"]
        if re.search(r"^service ", source.read_text(), re.MULTILINE):
            outputs += ["grpc_python", "mypy_grpc"]
        arguments = [f"--{output}_out={root}" for output in outputs]
        if protoc.main(["protoc", f"-I{PACKAGE}={SOURCES}", *PLUGINS, *arguments, f"{PACKAGE}/{source.name}"]):
            sys.exit(f"protoc failed on {source}")


if __name__ == "__main__":
    generate()
