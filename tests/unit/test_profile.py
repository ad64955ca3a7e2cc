"""Profiles read from TOML."""

from datetime import date
from pathlib import Path

import pytest

from acrcheck.catalogue import Category, Checks
from acrcheck.errors import UsageError
from acrcheck.model import Level, Waiver
from acrcheck.profile import Profile, load, names, seconds
from tests.golden.reports import LABEL, NO_LABEL, TOKEN

CHECKS = Checks(
    (Category("label", "Label"), Category("token", "Token")),
    (LABEL, TOKEN),
    ("one",),
    {"window": "2h", "replicas": 2},
)
WAIVER = '[[waivers]]\ncheck = "label"\nreason = "known"\nexpires = 2026-12-31\n'


def written(folder: Path, text: str, name: str = "ours.toml") -> str:
    """Write a profile and give its path."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def test_all_that_a_profile_says_is_read(tmp_path: Path) -> None:
    """Checks, severities, thresholds and waivers, each waiver with its line."""
    path = written(
        tmp_path,
        'title = "Ours"\nupgrade = true\n[checks]\nonly = ["label"]\nskip = ["token-arm"]\n'
        '[severities]\npod-without-label = "warn"\ntoken-arm = "note"\n'
        f'[thresholds]\nwindow = "1h30m"\nreplicas = 3\n\n{WAIVER}subject = "pod/*"\n',
    )

    assert load(path, tmp_path, CHECKS) == Profile(
        name=path,
        title="Ours",
        upgrade=True,
        only=("label",),
        skip=("token-arm",),
        severities={NO_LABEL.id: Level.WARN, TOKEN.id: Level.NOTE},
        thresholds={"window": 5400.0, "replicas": 3},
        waivers=(Waiver("known", date(2026, 12, 31), check="label", subject="pod/*", place=f"{path}:13"),),
    )


def test_a_profile_comes_on_top_of_the_one_it_extends(tmp_path: Path) -> None:
    """What it says itself goes before; waivers and skipped checks are of both. A file is found beside it."""
    written(
        tmp_path,
        '[checks]\nonly = ["label"]\nskip = ["token"]\n[thresholds]\nreplicas = 3\n',
        "profiles/base.toml",
    )
    written(tmp_path, f'extends = "base"\n{WAIVER}', "team.toml")
    top = load(
        written(tmp_path, 'extends = "team.toml"\n[checks]\nskip = ["label"]\n[thresholds]\nreplicas = 5\n'),
        tmp_path,
        CHECKS,
    )

    assert (top.only, top.skip, top.thresholds) == (("label",), ("token", "label"), {"replicas": 5})
    assert [item.check for item in top.waivers] == ["label"]
    assert names(tmp_path) == ("base",)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[", "", "is no TOML"),
        ("titel = 1", ":1", "there is no key titel"),
        ("title = 1", ":1", "title is a string"),
        ('upgrade = "yes"', ":1", "upgrade is true or false"),
        ("\n[checks]\nonyl = []", ":3", "there is no key checks.onyl"),
        ('[checks]\nonly = "label"', ":2", "only is an array of strings"),
        ('[checks]\nskip = ["labl"]', ":2", "checks.skip: there is no labl"),
        ("checks = 1", ":1", "checks is a table"),
        ('[severities]\nlabel = "bad"', ":2", "label is one of fail, warn, note"),
        ('[severities]\nnothing = "warn"', ":2", "severities: there is no nothing"),
        ("[thresholds]\nwindow = 2", ":2", 'window is a time such as "2h"'),
        ('[thresholds]\nwindow = "soon"', ":2", 'window is a time such as "2h"'),
        ('[thresholds]\nreplicas = "2"', ":2", "replicas is a number such as 2"),
        ("[thresholds]\nreplicas = -1", ":2", "replicas is a number such as 2"),
        ("[thresholds]\nspeed = 2", ":2", "thresholds: there is no speed"),
        ("[waivers]\ncheck = 1", ":1", "waivers is tables that begin with [[waivers]]"),
        (f"{WAIVER}\n[[waivers]]\ncheck = 'label'", ":6", "waiver: it has no reason"),
        ("[[waivers]]\nreason = 'x'\nexpires = 2026-12-31", ":1", "neither a check nor an observation"),
        ("[[waivers]]\ncheck = 'labl'\nreason = 'x'\nexpires = 2026-12-31", ":1", "there is no check labl"),
        (
            "[[waivers]]\nobservation = 'x'\nreason = 'x'\nexpires = 2026-12-31",
            ":1",
            "there is no observation x",
        ),
        ("[[waivers]]\ncheck = 'label'\nreason = 'x'", ":1", "no day on which it expires"),
        (
            "[[waivers]]\ncheck = 'label'\nreason = 'x'\nexpires = '2026-12-31'",
            ":1",
            "no day on which it expires",
        ),
        ("[[waivers]]\ncheck = 'label'\nreason = ' '\nexpires = 2026-12-31", ":1", "it has no reason"),
        ("[[waivers]]\ncheck = 'label'\nuntil = 1", ":1", "there is no key until"),
        ("[[waivers]]\ncheck = 1\nreason = 'x'\nexpires = 2026-12-31", ":1", "check is no text"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: str, said: str) -> None:
    """Whoever wrote it finds the place, and what would have been right."""
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as refused:
        load(path, tmp_path, CHECKS)

    assert said in refused.value.message
    assert f"{path}{line}" in refused.value.message
    assert refused.value.expected


def test_a_name_that_is_no_profile_is_refused_with_near_ones(tmp_path: Path) -> None:
    """A bare word is a built-in profile; a file has a slash or ends in .toml."""
    written(tmp_path, "", "profiles/pre-upgrade.toml")
    with pytest.raises(UsageError) as refused:
        load("pre-upgade", tmp_path, CHECKS)

    assert refused.value.near == ("pre-upgrade",)
    with pytest.raises(UsageError, match="cannot be read"):
        load("./gone", tmp_path, CHECKS)


def test_profiles_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    """Reading ends."""
    written(tmp_path, 'extends = "b.toml"', "a.toml")
    written(tmp_path, 'extends = "a.toml"', "b.toml")
    with pytest.raises(UsageError, match="extends itself"):
        load(str(tmp_path / "a.toml"), tmp_path, CHECKS)


@pytest.mark.parametrize(("said", "meant"), [("90s", 90), ("2h", 7200), ("1d2h3m4s", 93784), ("7d", 604800)])
def test_a_duration_is_given_in_seconds(said: str, meant: float) -> None:
    """Days are allowed: certificates are renewed in days."""
    assert seconds(said) == meant
