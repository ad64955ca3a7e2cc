"""The knowledge, loaded and validated: checks from Python files, causes from Markdown with TOML front matter."""

import importlib
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from acrcheck.contexts import in_context
from acrcheck.model import Cause, Check, Decider, Identities, Kind, Level, Remedy, Signature, placeholders
from acrcheck.text.pattern import CLASSES
from acrcheck.wiring import CatalogueError

PACKAGE = "acrcheck_checks"
GLOBALS = frozenset({"kubectl", "helm", "namespace", "workload", "name", "registry"})
"""Values that a remedy may use whatever was observed: they come from the target and the workload."""
SEEN = frozenset({"run", "text"})
WHO = frozenset({"cluster admin", "registry owner", "Entra admin", "Coder site manager", "anyone"})
PROGRAMS = frozenset(
    {
        *(
            "kubelet",
            "containerd",
            "docker",
            "az",
            "entra",
            "acr",
            "blob-storage",
            "nmi",
            "mic",
            "imds",
            "sdk",
            "helm",
        ),
        *(
            "kube-apiserver",
            "aks",
            "arm",
            "dns",
            "tls",
            "registry",
            "coder",
            "wi-webhook",
            "credential-provider",
        ),
    }
)
"""Whose texts a signature may quote."""
HEAVIEST = 5
GAPS = re.compile("…<([^>]*)>")
FENCE = "+++"
SIGNATURES = re.compile(r"^\[\[signatures\]\]\n.*?(?=^\[\[|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Category:
    """One file of checks: its id is the file's name, its title the first line of its docstring."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Checks:
    """All checks, in the order shown, and the layers in the order in which they hide each other."""

    categories: tuple[Category, ...]
    checks: tuple[Check, ...]
    layers: tuple[str, ...]
    thresholds: Mapping[str, str | int] = field(default_factory=dict)
    """The numbers that a profile may set, each with what it is where none does: a time such as `2h`, or a count."""
    identities: Identities = field(default_factory=Identities)

    @property
    def kinds(self) -> dict[str, Kind]:
        """Every kind of observation, by id."""
        return {kind.id: kind for check in self.checks for kind in check.sees}


def builtin_dir() -> Path:
    """Give the folder of the built-in knowledge: in the wheel, or beside the package in a checkout."""
    here = Path(__file__).parent
    bundled = here / "_checks"
    return bundled if bundled.is_dir() else here.parent / "checks"


def load_checks(folder: Path, order: str = "ORDER") -> Checks:
    """Load the checks of a folder, in the order its `__init__.py` gives under that name.

    Raises CatalogueError when two kinds of observation share an id but differ.
    """
    package = _package(folder)
    categories, checks = [], []
    for name in getattr(package, order):
        module = importlib.import_module(f"{PACKAGE}.{name}")
        categories.append(Category(name, (module.__doc__ or name).splitlines()[0].rstrip(".")))
        checks += [replace(check, category=name, place=str(module.__file__)) for check in module.CHECKS]
    _refuse_double_kinds(checks)
    thresholds = dict(getattr(package, "THRESHOLDS", {}))
    return Checks(
        tuple(categories),
        tuple(checks),
        tuple(package.LAYERS),
        thresholds,
        Identities(
            dict(getattr(package, "IDENTITIES", {})), frozenset(getattr(package, "IDENTITY_LAYERS", ()))
        ),
    )


def _package(folder: Path) -> Any:
    """Import a folder as a package of its own name, whatever it is called and wherever it lies."""
    loaded = sys.modules.get(PACKAGE)
    if loaded is not None and list(loaded.__path__) == [str(folder)]:
        return loaded
    for name in [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]:
        del sys.modules[name]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if not isinstance(spec, ModuleSpec) or spec.loader is None or not (folder / "__init__.py").is_file():
        raise CatalogueError(f"{folder} is no folder of checks: it has no __init__.py with ORDER and LAYERS")
    package = module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    return package


def _refuse_double_kinds(checks: Iterable[Check]) -> None:
    seen: dict[str, tuple[Kind, Check]] = {}
    for check in checks:
        for kind in check.sees:
            other = seen.setdefault(kind.id, (kind, check))
            if other[0] is not kind:
                raise CatalogueError(
                    f"observation {kind.id} is declared twice: in {other[1].place} and in {check.place}"
                )


def load_causes(folder: Path, checks: Checks, *, texts: bool = True) -> tuple[Cause, ...]:
    """Load and validate the cause documents. Raises CatalogueError naming file and line.

    Without `texts` they have no signatures, which are most of what there is to read.
    """
    causes = tuple(parse_cause(path, texts=texts) for path in sorted((folder / "causes").glob("*.md")))
    ids = {cause.id for cause in causes}
    kinds = checks.kinds
    filled = GLOBALS.union(*(kind.keys for kind in kinds.values()))
    for cause in causes:
        _validate(cause, checks.layers, ids, kinds, filled, texts=texts)
    return in_context(folder, causes, checks.layers)


def parse_cause(path: Path, *, texts: bool = True) -> Cause:
    """Read one document: front matter between lines of `+++`, then prose; without `texts`, no signatures."""
    import tomllib

    text = path.read_text(encoding="utf-8")
    parts = text.split(f"{FENCE}\n", 2)
    if len(parts) != 3 or parts[0]:  # noqa: PLR2004 - before, between and after the fences
        raise CatalogueError(f"{path}:1: no front matter between two lines of {FENCE}")
    try:
        head = tomllib.loads(parts[1] if texts else SIGNATURES.sub("", parts[1]))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path}: {error} (counted from the line after the first {FENCE})") from error
    return _cause(path, head, parts[2].strip())


def _cause(path: Path, head: dict[str, Any], prose: str) -> Cause:
    def refuse(key: str, problem: str) -> CatalogueError:
        return CatalogueError(f"{path}:{line_of(path, key)}: {problem}")

    known = set(Cause.__annotations__) - {"id", "prose", "place", "contexts"}
    for key in head.keys() - known:
        raise refuse(key, f"unknown key {key}")
    for key in ("title", "layer", "seen", "means"):
        if not head.get(key):
            raise refuse("title", f"{key} is missing")
    lists = {
        key: tuple(head.get(key, ())) for key in ("supports", "contradicts", "hides", "neighbours", "links")
    }
    try:
        return Cause(
            id=path.stem,
            title=head["title"],
            layer=head["layer"],
            seen=tuple(head["seen"]),
            requires=tuple(
                tuple(item) if isinstance(item, list) else (item,) for item in head.get("requires", ())
            ),
            means=head["means"],
            remedies=tuple(_remedy(item) for item in head.get("remedies", ())),
            decides=tuple(_decider(item) for item in head.get("decides", ())),
            signatures=_signatures(path, head.get("signatures", ())),
            broader=head.get("broader", ""),
            prose=prose,
            place=str(path),
            **lists,
        )
    except (KeyError, TypeError) as error:
        raise refuse("remedies", f"a remedy or decider lacks or has a wrong key: {error}") from error


def _remedy(item: dict[str, Any]) -> Remedy:
    item = {"command": "", "when": (), "changes": True, "who": "cluster admin", **item}
    return Remedy(**{**item, "when": tuple(item["when"])})


def _decider(item: dict[str, Any]) -> Decider:
    item = {"command": "", "between": (), **item}
    return Decider(**{**item, "between": tuple(item["between"])})


def _signatures(path: Path, items: list[dict[str, Any]]) -> tuple[Signature, ...]:
    """Read the texts by which a cause is known. Raises CatalogueError at the line of the one that is wrong."""
    made = []
    for number, item in enumerate(items):
        if problem := _wrong_signature(item):
            lines = path.read_text(encoding="utf-8").splitlines()
            heads = [at for at, line in enumerate(lines, 1) if line.strip() == "[[signatures]]"]
            raise CatalogueError(f"{path}:{[*heads, *([1] * len(items))][number]}: signature: {problem}")
        lists = {key: tuple(item.get(key, ())) for key in ("layer_reached", "against", "where", "unless")}
        made.append(Signature(**{**item, **lists}))
    return tuple(made)


def _wrong_signature(item: dict[str, Any]) -> str:
    """Say what is wrong with the keys of a signature; empty when nothing is."""
    unknown = item.keys() - Signature.__annotations__.keys()
    if unknown:
        return f"unknown key {', '.join(sorted(unknown))}"
    wanted: dict[str, Any] = {
        "decides": bool,
        "layer_reached": list,
        "against": list,
        "where": list,
        "unless": list,
        "weight": int | float,
    }
    for key, value in item.items():
        if not isinstance(value, wanted.get(key, str)):
            return f"{key} is of the wrong type"
    if problem := _wrong_text(item.get("text", "")):
        return problem
    if not 0 < item.get("weight", 1) <= HEAVIEST:
        return f"weight is above 0 and at most {HEAVIEST}"
    if item.get("program") not in PROGRAMS:
        return f"program {item.get('program', '')} is none of {', '.join(sorted(PROGRAMS))}"
    return ""


def _wrong_text(text: str) -> str:
    """Say what is wrong with the text of a signature; empty when nothing is."""
    if not any(char.isalnum() for char in text):
        return "text is empty"
    strange = sorted(set(GAPS.findall(text)) - CLASSES.keys())
    return f"there is no class of gap {', '.join(strange)}, but {', '.join(CLASSES)}" if strange else ""


def line_of(path: Path, key: str) -> int:
    """Give the line on which a front-matter word first stands, 1 when it is not there."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if key in line:
            return number
    return 1


def _validate(
    cause: Cause,
    known_layers: tuple[str, ...],
    causes: set[str],
    kinds: dict[str, Kind],
    filled: frozenset[str],
    *,
    texts: bool,
) -> None:
    """Refuse a document that names what does not exist, at the line where it does."""
    required = {name for group in cause.requires for name in group}
    observations = {*required, *cause.supports, *cause.contradicts}
    others = {
        *cause.neighbours,
        *(name for item in cause.decides for name in item.between),
        *(name for item in cause.signatures for name in item.against),
        cause.broader,
    } - {""}
    layers = {cause.layer, *cause.hides, *(name for item in cause.signatures for name in item.layer_reached)}
    problems = [
        *((name, f"no check sees {name}") for name in observations - kinds.keys()),
        *((name, f"{name} is no layer") for name in layers - set(known_layers)),
        *((name, f"there is no cause {name}") for name in others - causes),
    ]
    if not set(cause.seen) <= SEEN or ("run" in cause.seen and not cause.requires):
        problems.append(("seen", 'seen is "run", "text" or both; what a run sees requires an observation'))
    if texts and "text" in cause.seen and not cause.signatures:
        problems.append(("seen", "what is seen in a text has signatures"))
    if cause.signatures and "text" not in cause.seen:
        problems.append(("seen", 'it has signatures, so seen must say "text"'))
    problems += [
        (item.text, f"signature: proves its own layer {cause.layer} good")
        for item in cause.signatures
        if cause.layer in item.layer_reached
    ]
    if not problems:
        problems = [(item.id, text) for item in cause.remedies if (text := _problem(item, cause, kinds))]
        problems += [
            (item.evidence, f"deciding evidence: {text}")
            for item in cause.decides
            if (text := _unfilled(item.evidence + item.command, filled))
        ]
    for word, problem in sorted(problems):
        raise CatalogueError(f"{cause.place}:{line_of(Path(cause.place), word)}: {problem}")


def _problem(remedy: Remedy, cause: Cause, kinds: dict[str, Kind]) -> str:
    """Say what is wrong with a remedy: who, when, or a placeholder that nothing fills."""
    if remedy.who not in WHO:
        return f"remedy {remedy.id}: who is one of {', '.join(sorted(WHO))}"
    conditions = [name.removeprefix("!") for name in remedy.when]
    for name in conditions:
        if name not in kinds:
            return f"remedy {remedy.id}: no check sees {name}"
    filled = set(GLOBALS)
    for group in cause.requires:
        filled |= frozenset.intersection(*(kinds[name].keys for name in group))
    for name in remedy.when:
        if not name.startswith("!"):
            filled |= kinds[name].keys
    problem = _unfilled(remedy.command + remedy.text, filled)
    return f"remedy {remedy.id}: {problem}" if problem else ""


def _unfilled(text: str, filled: Collection[str]) -> str:
    """Say what keeps a text from being filled in; empty when nothing does."""
    try:
        missing = placeholders(text).difference(filled)
    except ValueError as error:
        return f"braces that are no placeholder's are doubled: {error}"
    return f"nothing fills {', '.join(sorted(missing))}" if missing else ""


def unexplained(checks: Checks, causes: Iterable[Cause]) -> tuple[str, ...]:
    """Name the failing observations that no cause requires or supports."""
    explained = {
        name
        for cause in causes
        for name in (*cause.supports, *(n for group in cause.requires for n in group))
    }
    return tuple(
        sorted(
            kind.id for kind in checks.kinds.values() if kind.level is Level.FAIL and kind.id not in explained
        )
    )
