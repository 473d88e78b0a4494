"""Reading Docker's log files: tails, rotation at any moment, long lines."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.runtimes.docker.jsonlog import Message, Reader
from node_agent.runtimes.docker.logs import Lines

BOTH = ("stdout", "stderr")


class Log:
    """Writes a log as Docker does."""

    def __init__(self, live: Path, keep: int = 5) -> None:
        self.live, self.keep = live, keep
        self.live.touch()

    def write(self, *texts: str, stream: str = "stdout") -> None:
        with self.live.open("a") as file:
            for text in texts:
                when = "2026-01-01T00:00:00.5Z"
                file.write(json.dumps({"log": text, "stream": stream, "time": when}, separators=(",", ":")) + "\n")

    def rotate(self) -> None:
        names = [self.live, *(self.live.with_name(f"{self.live.name}.{n}") for n in range(1, self.keep))]
        names[-1].unlink(missing_ok=True)
        for newer, older in reversed(list(itertools.pairwise(names))):
            if newer.exists():
                newer.rename(older)
        self.live.touch()


def texts(reader: Reader) -> list[str]:
    return [message.log for piece in reader.read() for message in piece]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "c-json.log")


def test_older_files_come_first(log: Log) -> None:
    for number in range(4):
        log.write(f"{number}\n")
        log.rotate()
    log.write("live\n")
    assert texts(Reader(log.live)) == ["0\n", "1\n", "2\n", "3\n", "live\n"]


@given(st.lists(st.sampled_from(["write", "rotate", "read"]), max_size=40))
def test_a_follower_misses_nothing_and_reads_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[str]
) -> None:
    """Unless it sleeps through as many rotations as there are files."""
    log = Log(tmp_path_factory.mktemp("log") / "c-json.log", keep=50)
    reader, written, got = Reader(log.live), 0, []
    for step in steps:
        if step == "write":
            log.write(f"{written}\n")
            written += 1
        elif step == "rotate":
            log.rotate()
        else:
            got += texts(reader)
    got += texts(reader)
    reader.close()
    assert got == [f"{number}\n" for number in range(written)]


def test_a_file_that_grows_until_it_is_rotated_is_read_to_its_end(log: Log) -> None:
    reader = Reader(log.live)
    log.write("1\n")
    assert texts(reader) == ["1\n"]
    log.write("2\n")
    log.rotate()
    log.write("3\n")
    assert texts(reader) == ["2\n", "3\n"]


def test_a_file_that_somebody_cut_is_read_from_its_beginning(log: Log) -> None:
    reader = Reader(log.live)
    log.write("old 1\n", "old 2\n")
    texts(reader)
    log.live.write_bytes(b"")
    log.write("new\n")
    assert texts(reader) == ["new\n"]


def test_half_a_message_waits_for_its_other_half(log: Log) -> None:
    reader = Reader(log.live)
    log.write("whole\n")
    content = log.live.read_bytes()
    log.live.write_bytes(content[:10])
    assert texts(reader) == []
    with log.live.open("ab") as file:
        file.write(content[10:])
    assert texts(reader) == ["whole\n"]


@given(
    st.lists(st.sampled_from(["stdout", "stderr", "rotate"]), max_size=30),
    st.integers(0, 12),
    st.sampled_from(["All", "Stdout"]),
)
def test_tails_through_all_files(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[str], lines: int, stream: str
) -> None:
    log = Log(tmp_path_factory.mktemp("log") / "c-json.log", keep=50)
    written: list[str] = []
    for number, step in enumerate(steps):
        if step == "rotate":
            log.rotate()
            continue
        log.write(f"{number} begins, ", f"{number} ends\n", stream=step)
        if stream == "All" or step == "stdout":
            written.append(f"{number} begins, {number} ends\n")
    reader = Reader(log.live)
    reader.seek_tail(lines, stream)
    assembler = Lines(BOTH if stream == "All" else ("stdout",), None, timestamps=False)
    got = b"".join(assembler.feed(piece) for piece in reader.read()).decode()
    reader.close()
    assert got == "".join(written[len(written) - min(lines, len(written)) :])


def test_no_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        texts(Reader(tmp_path / "absent"))


def message(log: str, stream: str = "stdout", time: str = "2026-01-01T00:00:00.5Z") -> Message:
    return Message(log, stream, time)


def test_a_long_line_has_one_time() -> None:
    lines = Lines(BOTH, None, timestamps=True)
    assert lines.feed([message("begin, ")]) == b""
    assert lines.feed([message("other\n", "stderr")]) == b"2026-01-01T00:00:00.500000000Z other\n"
    assert lines.feed([message("end\n")]) == b"2026-01-01T00:00:00.500000000Z begin, end\n"
    assert lines.feed([message("rest")]) == b""
    assert lines.rest().endswith(b" rest")


def test_streams_and_times_are_chosen() -> None:
    lines = Lines(("stderr",), datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC), timestamps=False)
    later = "2026-01-01T00:00:01Z"
    given = [message("early\n", "stderr"), message("out\n", time=later), message("late\n", "stderr", later)]
    assert lines.feed(given) == b"late\n"


def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    lines = Lines(BOTH, None, timestamps=False)
    passed = sum(len(lines.feed([message("x" * 16_384)])) for _ in range(200))
    assert passed >= 2 * 1024 * 1024
