"""What is heavy is imported late: start-up is what an engineer on call waits for every time."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.command import ENVIRON, SECONDS

HEAVY = ("kubernetes", "azure", "httpx", "pydantic", "requests", "cryptography", "yaml", "asyncio", "ssl")
TELL = """
import sys
from acrcheck.cli.main import main
try:
    main({args!r}, "acrcheck")
except SystemExit as end:
    assert not end.code, end.code
print("loaded:", *sorted({{name.split(".")[0] for name in sys.modules}} & set({heavy!r})), file=sys.stderr)
"""
READS = """
import sys
read = []
sys.addaudithook(lambda event, args: event == "open" and read.append(str(args[0])))
from acrcheck.cli.main import main
try:
    main(["list"], "acrcheck")
finally:
    print("read:", *[path for path in read if path.endswith(".md")], file=sys.stderr)
"""


def told(code: str) -> str:
    """Run Python code and give the last line of its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "args",
    [["--help"], ["run", "--help"], ["list"], ["explain", "label-pods"], ["version"], ["diagnose", "PASTED"]],
)
def test_loads_nothing_heavy(args: list[str], tmp_path: Path) -> None:
    """Neither Kubernetes' client nor Azure's, nor an HTTP library, where nothing is asked of a cluster."""
    pasted = tmp_path / "pasted"
    pasted.write_text("denied: client with IP '192.0.2.7' is not allowed access.\n")
    args = [word.replace("PASTED", str(pasted)) for word in args]
    assert told(TELL.format(args=args, heavy=HEAVY)) == "loaded:"


def test_list_reads_no_cause_document() -> None:
    """The list is of checks: the documents stay closed."""
    assert told(READS) == "read:"
