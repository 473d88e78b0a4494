"""Looks for inputs that break a decoder, guided by coverage: `python -m tests.fuzz [--seconds N] [TARGET ...]`.

Needs the package atheris. Each target runs for its time in a process of its own, from the seeds and what earlier runs
found new ways with (`--corpus`). An input that breaks it is written to `--findings` with the traceback, once a place,
and the run goes on; a crash of the interpreter, an endless loop or a hunger for memory ends it, with a file as well.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import subprocess
import sys
import traceback
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
SECONDS = 60
INPUT_SECONDS = 10
MEMORY_MB = 2048
MAX_BYTES = 4096


def fuzz(name: str, seconds: int, corpus: Path, findings: Path) -> None:
    """Fuzz one target; does not return, libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["timonel.api", "timonel.cli.gotemplate", "master"]):
        from tests.fuzz.targets import TARGETS
    run, seen = TARGETS[name], set()

    def one(data: bytes) -> None:
        try:
            run(data)
        except Exception as error:  # noqa: BLE001  # every one of them is what is looked for
            frames = traceback.extract_tb(error.__traceback__)
            place = (type(error).__name__, *((frame.filename, frame.lineno) for frame in frames[-3:]))
            if place not in seen:
                seen.add(place)
                _write(findings, name, data, error)

    arguments = [f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEMORY_MB}"]
    arguments += [f"-max_len={MAX_BYTES}", f"-artifact_prefix={findings}/{name}-", "-verbosity=0", str(corpus / name)]
    arguments += [str(SEEDS / name)] if (SEEDS / name).is_dir() else []
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def _write(findings: Path, name: str, data: bytes, error: Exception) -> None:
    path = findings / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))
    print(f"{name}: {type(error).__name__}: {str(error)[:200]} ({path})", flush=True)  # noqa: T201


def main() -> int:
    """Fuzz the targets one after the other. The number of findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="time for each target")
    parser.add_argument("--corpus", type=Path, default=Path("/tmp/timonel-fuzz/corpus"))
    parser.add_argument("--findings", type=Path, default=Path("/tmp/timonel-fuzz/findings"))
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.findings.mkdir(parents=True, exist_ok=True)
    if asked.one:
        logging.disable()
        (asked.corpus / asked.targets[0]).mkdir(parents=True, exist_ok=True)
        fuzz(asked.targets[0], asked.seconds, asked.corpus, asked.findings)
    from tests.fuzz.targets import TARGETS

    for name in asked.targets or TARGETS:
        again = [sys.executable, "-m", "tests.fuzz", "--one", name, "--seconds", str(asked.seconds)]
        subprocess.run([*again, "--corpus", asked.corpus, "--findings", asked.findings], check=False)
    return len(list(asked.findings.iterdir()))


if __name__ == "__main__":
    sys.exit(main())
