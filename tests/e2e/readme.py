"""Writes what the README shows: the output of commands, and two tables.

One is of the permissions that the checks ask for, one of the documentation's instructions and what proves each.

With `--check` it only compares, and says what differs. Times are compared as if all were alike.
"""

import difflib
import re
import sys
from pathlib import Path

from tabulate import tabulate

from acrcheck.catalogue import builtin_dir, load_checks
from acrcheck.model import Check
from tests.cluster import compared
from tests.e2e.command import call
from tests.e2e.documentation import table

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(
    r"<!-- (output of: acrcheck (?P<args>.*?)|permissions|documentation|today's tools) -->\n.*?<!-- end -->\n",
    re.DOTALL,
)
DURATION = re.compile(r" *\b\d+(\.\d+)?m?s\b|\d\d:\d\d:\d\dZ")


def written(text: str) -> str:
    """Give the page with every block made anew."""

    def block(found: re.Match[str]) -> str:
        made = MADE[found[1]]() if found["args"] is None else shown(found["args"])
        return f"<!-- {found[1]} -->\n{made}<!-- end -->\n"

    return BLOCK.sub(block, text)


def shown(args: str) -> str:
    """Run a command and give what it prints, fenced. Raises RuntimeError when it does not run."""
    done = call(*args.split(), COLUMNS="100")
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"acrcheck {args} ended with {done.returncode}: {done.stderr}")
    return f"```text\n$ acrcheck {args}\n{done.stdout}```\n"


def permissions() -> str:
    """Make the table of what the checks ask of the API server."""
    asking: dict[tuple[str, ...], list[Check]] = {}
    for check in load_checks(builtin_dir()).checks:
        for ask in check.asks:
            asking.setdefault(ask, []).append(check)
    rows = [
        (verb, resource, "all" if where else "the workload's", named(asking[verb, resource, *where]))
        for verb, resource, *where in asking
    ]
    headers = ("verb", "resource", "namespaces", "for the checks or categories")
    return tabulate(rows, headers=headers, tablefmt="github") + "\n"


def todays_tools() -> str:
    """Make the table of what is said of each failed pull, as it was captured."""
    return compared.table(compared.read()) + "\n"


def named(checks: list[Check]) -> str:
    """Name checks, and where they are many their categories."""
    many = len(checks) > 3
    return ", ".join(
        dict.fromkeys(
            f"`{check.category if many else check.id}`"
            + (f" (`--allow {check.leave}`)" if check.leave else "")
            for check in checks
        )
    )


MADE = {"permissions": permissions, "documentation": table, "today's tools": todays_tools}


def steady(text: str) -> str:
    """Give the page in the form in which it is compared."""
    return DURATION.sub(" 0s", text)


def main(args: list[str]) -> int:
    """Write, or with `--check` compare; 1 when the page is not what it should be."""
    old = README.read_text(encoding="utf-8")
    new = written(old)
    if "--check" not in args:
        README.write_text(new, encoding="utf-8")
        return 0
    difference = difflib.unified_diff(
        steady(old).splitlines(), steady(new).splitlines(), "README.md", "what it should be", lineterm=""
    )
    lines = list(difference)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    if lines:
        sys.stdout.write("README.md is not up to date: make readme\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
