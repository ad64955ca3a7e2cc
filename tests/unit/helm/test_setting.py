"""`--set` and `--set-string`."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.errors import UsageError
from acrcheck.helm.setting import applied
from acrcheck.helm.values import merged
from acrcheck.helm.yamltext import read
from tests.unit.helm.table import BASE, SETTINGS, WRONG_SETTINGS


def base() -> dict[str, Any]:
    """The values that are set in."""
    return read(BASE, "v").values


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_changes_what_helm_changes(setting: str) -> None:
    """Commas, escapes, lists, indexes and types are helm's."""
    before = base()
    assert applied(before, setting) == merged(before, SETTINGS[setting])
    assert before == base()


@pytest.mark.parametrize("setting", WRONG_SETTINGS)
def test_what_helm_does_not_take_is_refused(setting: str) -> None:
    """The message repeats the setting."""
    with pytest.raises(UsageError) as caught:
        applied(base(), setting)
    assert caught.value.message.startswith(f"--set {setting}: ")


def test_text_stays_text() -> None:
    """With `--set-string` nothing is taken for a number, a boolean or null."""
    wanted = {"a": "1", "b": "true", "c": "null", "d": ["2"]}
    assert applied({}, "a=1,b=true,c=null,d={2}", as_text=True) == wanted


@given(
    st.dictionaries(
        st.text("ab.\\,=[]{} ", min_size=1, max_size=5), st.text("ab,\\=1 ", max_size=5), max_size=3
    )
)
def test_what_is_escaped_comes_through(values: dict[str, str]) -> None:
    """Any key and any value can be set, when its special characters are escaped."""

    def escaped(text: str) -> str:
        return "".join(f"\\{letter}" if letter in "\\,.=[]{}" else letter for letter in text)

    setting = ",".join(f"{escaped(key)}={escaped(value)}" for key, value in values.items())
    assert applied({}, setting, as_text=True) == values


@given(st.text("ab01.,=[]{}\\ ", max_size=12))
def test_any_text_is_taken_or_refused(setting: str) -> None:
    """Nothing else comes of a malformed setting than a message."""
    with suppress(UsageError):
        assert isinstance(applied(base(), setting), dict)
