"""Writes the handbook as pages: `python -m tests.e2e.handbook FOLDER`."""

import sys
from pathlib import Path

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.cli.explain import examples
from acrcheck.report import handbook


def written(folder: Path) -> list[Path]:
    """Write an index and a page for each cause and each check into a folder, and name them."""
    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    pages = handbook.pages(checks, causes, examples(checks, causes))
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in pages]


if __name__ == "__main__":
    sys.stdout.write(f"{len(written(Path(sys.argv[1])))} pages, from {sys.argv[1]}/{handbook.INDEX} on\n")
