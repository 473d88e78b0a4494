"""How bytes from the daemon become frames, and cgroup files counters."""

import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from node_agent.runtimes.docker.frames import Frames
from node_agent.runtimes.docker.stats import CgroupFiles, files_of, locate, sample

pieces = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)))


@given(pieces, st.data())
def test_frames_survive_any_cut(sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
    wire = b"".join(struct.pack(">BxxxL", stream, len(payload)) + payload for stream, payload in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)))))
    frames = Frames(tty=False)
    got = [
        frame
        for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)
        for frame in frames.feed(wire[start:end])
    ]
    assert got == sent


def test_a_tty_has_no_frames() -> None:
    assert Frames(tty=True).feed(b"\x01\x00") == [(1, b"\x01\x00")]


def test_counters_are_found_in_both_hierarchies(tmp_path: Path) -> None:
    first = locate("4:memory:/docker/x\n3:cpuacct,cpu:/docker/x\n0::/\n", tmp_path)
    assert first is not None
    assert first.memory == tmp_path / "memory/docker/x/memory.usage_in_bytes"
    assert first.cpu == tmp_path / "cpuacct/docker/x/cpuacct.usage"
    second = locate("0::/system.slice/docker-x.scope\n", tmp_path)
    assert second is not None
    assert second.memory == tmp_path / "system.slice/docker-x.scope/memory.current"
    assert locate("1:name=systemd:/\n", tmp_path) is None
    assert files_of(2**22 + 1) is None


def test_the_working_set_leaves_out_what_can_be_dropped(tmp_path: Path) -> None:
    files = CgroupFiles(tmp_path / "cpu", tmp_path / "use", tmp_path / "stat", b"inactive_file", unified=True)
    assert sample(files) is None
    files.cpu.write_text("usage_usec 5\nuser_usec 3\n")
    files.memory.write_text("100\n")
    files.memory_stat.write_text("anon 1\ninactive_file 30\n")
    seen = sample(files)
    assert seen is not None
    assert (seen.cpu_nanoseconds, seen.memory_working_set_bytes) == (5000, 70)
    files.memory_stat.write_text("inactive_file 300\n")
    seen = sample(files)
    assert seen is not None
    assert seen.memory_working_set_bytes == 0
