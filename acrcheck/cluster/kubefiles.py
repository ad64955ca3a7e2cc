"""Kubeconfig files: read, merged as kubectl merges them, and one context chosen.

The merging rule is kubectl's (client-go tools/clientcmd loader.go): of entries with the same name, and of
`current-context`, the first file that has one wins; relative paths are relative to their own file.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acrcheck.errors import UsageError

SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One named cluster, user or context, and the file it stands in."""

    name: str
    value: dict[str, Any] = field(default_factory=dict)
    path: Path = Path()

    def file(self, key: str) -> Path | None:
        """Give the file that a key names, relative paths taken from the kubeconfig's own folder."""
        value = self.value.get(key)
        return (self.path.parent / str(value)).absolute() if value else None


@dataclass(frozen=True, slots=True)
class KubeFiles:
    """What the files say together."""

    paths: tuple[Path, ...]
    clusters: dict[str, Entry]
    users: dict[str, Entry]
    contexts: dict[str, Entry]
    current: str = ""

    @property
    def text(self) -> str:
        """The files' names, as kubectl would take them."""
        return ":".join(str(path) for path in self.paths)

    def named(self, section: str, name: str, *, asked: str) -> Entry:
        """Find an entry. Raises UsageError with near matches when there is none; `asked` says who wants it."""
        entries: dict[str, Entry] = getattr(self, section)
        if name in entries:
            return entries[name]
        near = difflib.get_close_matches(name, entries, n=3, cutoff=0.4)
        word = SECTIONS[section]
        raise UsageError(
            f"no {word} named {name!r} in the kubeconfig",
            input=f"{asked} (kubeconfig {self.text})",
            expected="one of " + ", ".join(near or sorted(entries)[:5])
            if entries
            else f"a {word}; it has none",
            remedy=f"did you mean {near[0]!r}?" if near else f"kubectl config get-{section}",
        )


def locate(flag: str, environ: Mapping[str, str]) -> list[Path]:
    """Name the files to read: the flag, else $KUBECONFIG, else ~/.kube/config. Those that exist.

    Raises UsageError when the flag names a file that does not exist.
    """
    if flag:
        path = Path(flag).expanduser()
        if not path.exists():
            raise UsageError(
                f"kubeconfig {flag} does not exist",
                input=f"--kubeconfig {flag}",
                expected="a kubeconfig file",
            )
        return [path]
    listed = [part for part in environ.get("KUBECONFIG", "").split(":") if part]
    candidates = [Path(part).expanduser() for part in listed] or [default_path(environ)]
    return [path for path in candidates if path.exists()]


def default_path(environ: Mapping[str, str]) -> Path:
    """Where kubectl looks when nothing is said."""
    home = environ.get("HOME", "")
    return (Path(home) if home else Path.home()) / ".kube" / "config"


def read(paths: Sequence[Path]) -> KubeFiles:
    """Read and merge. Raises UsageError for a file that cannot be read, or is no kubeconfig."""
    merged: dict[str, dict[str, Entry]] = {section: {} for section in SECTIONS}
    current = ""
    for path in paths:
        config = _load(path)
        current = current or str(config.get("current-context") or "")
        for section, word in SECTIONS.items():
            for name, value in _entries(config, section, word, path):
                merged[section].setdefault(name, Entry(name, value, path))
    return KubeFiles(tuple(paths), merged["clusters"], merged["users"], merged["contexts"], current)


def _load(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"kubeconfig {path} cannot be read: {error.strerror}",
            input=str(path),
            expected="a readable file",
            remedy=f"ls -l {path}",
        ) from None
    try:
        config = yaml.safe_load(content)
    except yaml.YAMLError as error:
        # The error's own text quotes the file, tokens included: only its place and its kind are told.
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
        raise _malformed(path, f"{problem}{where}") from None
    if config is None:
        raise _malformed(path, "it is empty")
    if not isinstance(config, dict):
        raise _malformed(path, f"it holds a {type(config).__name__}, not a mapping")
    return config


def _entries(config: dict[str, Any], section: str, word: str, path: Path) -> list[tuple[str, dict[str, Any]]]:
    listed = config.get(section) or []
    if not isinstance(listed, list):
        raise _malformed(path, f"{section} is no list")
    entries = []
    for place, item in enumerate(listed):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise _malformed(path, f"{section}[{place}] has no name")
        value = item.get(word)
        if not isinstance(value, dict | None):
            raise _malformed(path, f"{section}[{place}] ({item['name']}): {word} is no mapping")
        entries.append((item["name"], value or {}))
    return entries


def _malformed(path: Path, why: str) -> UsageError:
    return UsageError(
        f"kubeconfig {path} is malformed: {why}",
        input=str(path),
        expected="a kubeconfig: YAML with clusters, users and contexts",
        remedy=f"kubectl config view --kubeconfig {path}",
    )
