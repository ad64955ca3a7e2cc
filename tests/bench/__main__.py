"""`make bench`: what things cost, as ratios measured side by side in one run. No test depends on it."""

import os
import sys
from pathlib import Path

from tabulate import tabulate

from tests.bench import cluster, diagnose, redact, registry, startup
from tests.cluster.compared import read, table
from tests.cluster.harness import Cluster
from tests.cluster.up import kept

HEAD = ("what", "measured", "against", "measured", "ratio", "goal", "")


def main() -> int:
    """Measure, print the table, and give 1 when a goal is missed."""
    rows = startup.rows(Path(sys.executable))
    more, noted = registry.rows()
    rows += more
    state = kept()
    if state:
        more, said = cluster.rows(Cluster.attach(state))
        rows += more
    else:
        said = ["the run on a real cluster was not measured: none is up (make cluster)"]
    said = [*noted, *said]
    table = [
        (
            row.what,
            f"{row.value * 1000:.0f} ms",
            row.against,
            f"{row.base * 1000:.0f} ms",
            f"{row.ratio:.2f}",
            f"≤ {row.goal:.2f}",
            "" if row.met else "missed",
        )
        for row in rows
    ]
    table += diagnose.speed()
    table += redact.rows()
    corpus = os.environ.get("CORPUS", "")
    if corpus:
        accuracy, more_said = diagnose.accuracy(Path(corpus))
        table += accuracy
        said += more_said
    else:
        table.append(
            ("diagnose: how right", "not measured", "no corpus: make bench CORPUS=FILE", "", "", "", "")
        )
    sys.stdout.write(tabulate(table, headers=HEAD, disable_numparse=True) + "\n")
    sys.stdout.writelines(f"{line}\n" for line in said)
    if state:
        sys.stdout.write(f"\nfailed pulls, as `make compare-tools` wrote them down:\n{shown()}\n")
    return 1 if any(row[-1] for row in table) else 0


def shown() -> str:
    """Give what acrcheck and today's tools say of each failed pull."""
    return table(read(), "simple_grid")


if __name__ == "__main__":
    sys.exit(main())
