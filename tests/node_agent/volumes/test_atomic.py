"""The atomic writer, on real directories."""

import os
from pathlib import Path

import pytest

from node_agent.volumes.atomic import check_path, write_payload
from node_agent.volumes.base import File


def files(**contents: str) -> dict[str, File]:
    return {name.replace("__", "/"): File(text.encode(), 0o640) for name, text in contents.items()}


def visible(directory: Path) -> dict[str, str]:
    """What a program sees: all files but the writer's own."""
    found = {}
    for entry in sorted(directory.iterdir()):
        if not entry.name.startswith(".."):
            inside = [entry] if entry.is_file() else [f for f in entry.rglob("*") if f.is_file()]
            found |= {str(f.relative_to(directory)): f.read_text() for f in inside}
    return found


def test_files_are_seen_through_the_data_link(tmp_path: Path) -> None:
    assert write_payload(tmp_path, files(a="1", d__b="2"))
    assert visible(tmp_path) == {"a": "1", "d/b": "2"}
    assert str((tmp_path / "a").readlink()) == "..data/a"
    assert str((tmp_path / "d").readlink()) == "..data/d"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    write_payload(tmp_path, files(a="1"))
    before = (tmp_path / "..data").readlink()
    assert not write_payload(tmp_path, files(a="1"))
    assert (tmp_path / "..data").readlink() == before


def test_a_change_replaces_everything_and_leaves_no_litter(tmp_path: Path) -> None:
    write_payload(tmp_path, files(a="1", b="1", d__x="1"))
    assert write_payload(tmp_path, files(a="2", c="2"))
    assert visible(tmp_path) == {"a": "2", "c": "2"}
    assert len([e for e in tmp_path.iterdir() if e.name.startswith("..2")]) == 1
    assert not (tmp_path / "..data_tmp").exists()


def test_an_open_directory_never_shows_a_mixture(tmp_path: Path) -> None:
    write_payload(tmp_path, files(a="1", b="1"))
    old = (tmp_path / "..data").resolve()
    pinned = os.open(old / "a", os.O_RDONLY)
    write_payload(tmp_path, files(a="2", b="2"))
    assert os.read(pinned, 10) == b"1"
    os.close(pinned)
    assert not old.exists()


def test_adjust_sees_the_files_before_anybody_else(tmp_path: Path) -> None:
    def adjust(fresh: Path) -> None:
        assert (fresh / "a").read_text() == "1"
        assert not (tmp_path / "..data").exists()

    write_payload(tmp_path, files(a="1"), adjust)


def test_a_half_written_update_of_a_killed_agent_is_overcome(tmp_path: Path) -> None:
    write_payload(tmp_path, files(a="1"))
    (tmp_path / "..data_tmp").symlink_to("nowhere")
    assert write_payload(tmp_path, files(a="2"))
    assert visible(tmp_path) == {"a": "2"}


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "..x", "a" * 256, "a/" * 2100])
def test_paths_that_leave_the_volume_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid path"):
        check_path(path)
    with pytest.raises(ValueError, match="invalid path"):
        write_payload(tmp_path, {path: File(b"", 0o644)})
    assert list(tmp_path.iterdir()) == []
