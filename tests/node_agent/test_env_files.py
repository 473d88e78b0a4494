"""Env files: their format, and that they are read from nowhere else."""

import os
from pathlib import Path

import pytest

from node_agent.env_files import MAX_BYTES, EnvFileError, parse, read


def test_the_format() -> None:
    text = "# a comment\n\n  A='1'\nB.b='two $A \\n'  # more\nC='over\nlines # no comment'\nA='3'\nD=''"
    assert parse(text) == {"A": "3", "B.b": "two $A \\n", "C": "over\nlines # no comment", "D": ""}
    assert parse("") == parse("\n# only this") == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1", 1),
        ("A='1'\nB", 2),
        ("A='1\n2'\nB='3", 3),
        ("A='1'2", 1),
        ('A="1"', 1),
        ("='1'", 1),
        ("export A='1'", 1),
        ("A ='1'", 1),
    ],
)
def test_what_is_no_env_file(text: str, line: int) -> None:
    with pytest.raises(EnvFileError, match=f"line {line} is not"):
        parse(text)


def test_only_files_of_the_volume_are_read(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("A='1'")
    (volume / "a" / "env").write_text("A='1'")
    (volume / "link").symlink_to("../secret")
    (volume / "out").symlink_to("..")
    (volume / "big").write_bytes(b"#" * (MAX_BYTES + 1))
    os.mkfifo(volume / "pipe")
    assert read(volume, "a/env") == {"A": "1"}
    for path in ("link", "out/secret", "../secret", "/etc/passwd", "a", "pipe", "big", "a/env/b"):
        with pytest.raises(EnvFileError):
            read(volume, path)
    with pytest.raises(FileNotFoundError):
        read(volume, "a/absent")
