"""Profiles: which checks a run makes, how bad it takes what they see, and what is waived; in TOML.

A profile may extend another: what it says itself comes on top.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acrcheck.catalogue import Checks, line_of
from acrcheck.config import read_toml
from acrcheck.errors import UsageError
from acrcheck.late import dataclass
from acrcheck.model import Level, Waiver

if TYPE_CHECKING:
    from acrcheck.run import Options

FOLDER = "profiles"
KEYS = ("title", "extends", "upgrade", "checks", "severities", "thresholds", "waivers")
WAIVER_KEYS = ("check", "observation", "subject", "reason", "expires")
LEVELS = tuple(map(str, Level))
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
FEW = 9
"""So many names an error may list."""
DURATION = re.compile(r"(?:\d+[dhms])+")


@dataclass(frozen=True, slots=True)
class Profile:
    """How a run is to be judged."""

    name: str
    title: str = ""
    upgrade: bool = False
    """True where the run is the gate before an upgrade."""
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    severities: Mapping[str, Level] = field(default_factory=dict)
    """How bad is what a check sees, or an observation, by its id."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Numbers that checks measure by; those that are times in seconds."""
    waivers: tuple[Waiver, ...] = ()

    def options(self, metadata: dict[str, str], **flags: Any) -> "Options":
        """Say how a run is run by it: `flags` are further options; those that choose checks go before its own."""
        from acrcheck.run import Options

        flags["only"] = flags.get("only") or self.only
        flags["skip"] = tuple(dict.fromkeys((*self.skip, *flags.get("skip", ()))))
        return Options(
            metadata={**metadata, **({"profile": self.name} if self.name else {})},
            severities=self.severities,
            waivers=self.waivers,
            **flags,
        )


def load(name: str, folder: Path, checks: Checks) -> Profile:
    """Read a profile by its name, from the folder of the checks, or by its file.

    Raises UsageError naming file, line and what was expected.
    """
    return _load(name, folder, checks, ())


def names(folder: Path) -> tuple[str, ...]:
    """Name the built-in profiles."""
    return tuple(sorted(path.stem for path in (folder / FOLDER).glob("*.toml")))


def _load(
    name: str, folder: Path, checks: Checks, above: tuple[str, ...], beside: Path | None = None
) -> Profile:
    place = _place(name, folder, beside)
    if str(place) in above:
        raise UsageError(
            f"{place} extends itself, by way of {', '.join(above)}",
            input=name,
            expected="profiles that extend each other in one direction",
        )
    reader = _Reader(place, read_toml(place), checks)
    base = Profile(name="")
    extends = reader.text("extends")
    if extends:
        base = _load(extends, folder, checks, (*above, str(place)), place.parent)
    return reader.profile(name, base)


def _place(name: str, folder: Path, beside: Path | None) -> Path:
    """Find a profile's file: a bare word is a built-in one, else a path, from the file that names it."""
    if not name.endswith(".toml") and "/" not in name:
        if name not in names(folder):
            raise UsageError(
                f"no profile is called {name}",
                input=name,
                expected=f"one of {', '.join(names(folder))}, or a file that ends in .toml",
                candidates=names(folder),
            )
        return folder / FOLDER / f"{name}.toml"
    path = Path(name).expanduser()
    return path if beside is None or path.is_absolute() else beside / path


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file; every complaint names the line."""

    place: Path
    values: dict[str, Any]
    checks: Checks

    def profile(self, name: str, base: Profile) -> Profile:
        self._refuse_unknown(self.values, KEYS)
        chosen = self._table("checks")
        self._refuse_unknown(chosen, ("only", "skip"), "checks.")
        upgrade = self.values.get("upgrade", base.upgrade)
        if not isinstance(upgrade, bool):
            raise self._wrong("upgrade", upgrade, "true or false")
        return Profile(
            name=name,
            title=self.text("title") or base.title,
            upgrade=upgrade,
            only=self._ids(chosen, "only") or base.only,
            skip=tuple(dict.fromkeys((*base.skip, *self._ids(chosen, "skip")))),
            severities={**base.severities, **dict(self._severities())},
            thresholds={**base.thresholds, **dict(self._thresholds())},
            waivers=(*base.waivers, *self._waivers()),
        )

    def text(self, key: str) -> str:
        value = self.values.get(key, "")
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string")
        return value

    def _severities(self) -> Iterator[tuple[str, Level]]:
        for key, value in self._table("severities").items():
            self._refuse_strange(key, "severities", {*self.checks.kinds, *self._check_ids})
            if value not in LEVELS:
                raise self._wrong(key, value, f"one of {', '.join(LEVELS)}")
            yield key, Level(value)

    def _thresholds(self) -> Iterator[tuple[str, float]]:
        known = self.checks.thresholds
        for key, value in self._table("thresholds").items():
            self._refuse_strange(key, "thresholds", known)
            if isinstance(known[key], str):
                if not (isinstance(value, str) and DURATION.fullmatch(value)):
                    raise self._wrong(key, value, f'a time such as "{known[key]}"')
                yield key, seconds(value)
            elif isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise self._wrong(key, value, f"a number such as {known[key]}")
            else:
                yield key, value

    def _waivers(self) -> Iterator[Waiver]:
        found = self.values.get("waivers", [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self._wrong("waivers", found, "tables that begin with [[waivers]]")
        lines = self.place.read_text(encoding="utf-8").splitlines()
        heads = [number for number, line in enumerate(lines, 1) if line.strip().startswith("[[waivers]]")]
        for number, item in zip([*heads, *([1] * len(found))], found, strict=False):
            yield self._waiver(item, number)

    def _waiver(self, item: dict[str, Any], line: int) -> Waiver:
        for problem, expected, given, near in self._flaws(item):
            raise UsageError(
                f"{self.place}:{line}: waiver: {problem}",
                input=given,
                expected=expected,
                candidates=near,
            )
        expires = item["expires"]
        return Waiver(
            reason=item["reason"].strip(),
            expires=expires.date() if isinstance(expires, datetime) else expires,
            check=item.get("check", ""),
            observation=item.get("observation", ""),
            subject=item.get("subject", ""),
            place=f"{self.place}:{line}",
        )

    def _flaws(self, item: dict[str, Any]) -> Iterator[tuple[str, str, str, Collection[str]]]:
        """Say what is wrong with a waiver: the problem, what was expected, what was given, and what it may mean."""
        for key in item.keys() - set(WAIVER_KEYS):
            yield f"there is no key {key}", f"one of {', '.join(WAIVER_KEYS)}", key, WAIVER_KEYS
        for key in ("check", "observation", "subject", "reason"):
            if not isinstance(item.get(key, ""), str):
                yield f"{key} is no text", "a string", f"{key} = {item[key]!r}", ()
        if not item.get("check") and not item.get("observation"):
            yield "it names neither a check nor an observation", 'check = "ID" or observation = "ID"', "", ()
        for key, known in (("check", self._check_ids), ("observation", self.checks.kinds.keys())):
            if item.get(key) and item[key] not in known:
                yield (
                    f"there is no {key} {item[key]}",
                    "one of `acrcheck list`" if key == "check" else "one of `acrcheck explain CHECK`",
                    item[key],
                    known,
                )
        if not str(item.get("reason", "")).strip():
            yield "it has no reason", 'reason = "why it may be so"', "", ()
        if not isinstance(item.get("expires"), date):
            given = str(item.get("expires", ""))
            yield "it has no day on which it expires", "expires = 2026-12-31, without quotes", given, ()

    @property
    def _check_ids(self) -> Collection[str]:
        return {check.id for check in self.checks.checks}

    def _ids(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, value, "an array of strings")
        known = {*self._check_ids, *(category.id for category in self.checks.categories)}
        for name in value:
            self._refuse_strange(name, f"checks.{key}", known)
        return tuple(value)

    def _table(self, key: str) -> dict[str, Any]:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, value, f"a table that begins with [{key}]")
        return value

    def _refuse_unknown(self, table: dict[str, Any], known: Collection[str], where: str = "") -> None:
        for key in table:
            if key not in known:
                raise UsageError(
                    f"{self.place}:{line_of(self.place, key)}: there is no key {where}{key}",
                    input=key,
                    expected=f"one of {', '.join(known)}",
                    candidates=known,
                )

    def _refuse_strange(self, name: str, key: str, known: Collection[str]) -> None:
        if name not in known:
            raise UsageError(
                f"{self.place}:{line_of(self.place, name)}: {key}: there is no {name}",
                input=name,
                expected=f"one of {', '.join(sorted(known))}"
                if len(known) <= FEW
                else "one of `acrcheck list`",
                candidates=known,
            )

    def _wrong(self, key: str, value: object, expected: str) -> UsageError:
        return UsageError(
            f"{self.place}:{line_of(self.place, key)}: {key} is {expected}, not {value!r}",
            input=f"{key} = {value!r}",
            expected=expected,
        )


def seconds(duration: str) -> float:
    """Give the seconds of a duration such as `1h30m` or `7d`."""
    return float(sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", duration)))
