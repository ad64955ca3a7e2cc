"""The configuration file."""

from pathlib import Path

import pytest

from acrcheck.config import default_path, load
from acrcheck.errors import UsageError

KINDS: dict[str, type] = {"namespace": str, "allow": list, "ascii": bool, "verbose": int}


def test_lies_where_the_environment_says() -> None:
    """$XDG_CONFIG_HOME, else ~/.config."""
    assert default_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/acrcheck/config.toml")
    assert default_path({"HOME": "/h"}) == Path("/h/.config/acrcheck/config.toml")


def test_need_not_be_there(tmp_path: Path) -> None:
    """Without one, nothing is said."""
    assert load("", {"HOME": str(tmp_path)}, KINDS)[1] == {}


def test_gives_its_options(tmp_path: Path) -> None:
    """With their types."""
    path = tmp_path / "c.toml"
    path.write_text('namespace = "coder"\nallow = ["a"]\nascii = true\nverbose = 2\n')

    assert load(str(path), {}, KINDS) == (
        path,
        {"namespace": "coder", "allow": ["a"], "ascii": True, "verbose": 2},
    )


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are no TOML."""
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(UsageError, match="is no TOML"):
        load(str(path), {}, KINDS)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """What cannot be read is said so."""
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load(str(tmp_path), {}, KINDS)
