"""Writes down what is said of each failed pull, by the kubelet, by acrcheck and by today's tools.

`python -m tests.cluster.capture` stages them all on the cluster that is kept up, or on one of its own.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

from checks.kubelet import NEXT
from tests.cluster import compared, pulls
from tests.cluster.compared import Json
from tests.cluster.failing import Outcome, Stage
from tests.cluster.harness import Cluster
from tests.cluster.product import Product
from tests.cluster.provision import provision
from tests.cluster.running import Running
from tests.cluster.today import steady
from tests.cluster.up import kept

PULL = re.compile(r'^Failed to pull image "[^"]*": (?:rpc error: code = \w+ desc = )?')


def captured(outcome: Outcome) -> Json:
    """What was said of one failed pull, without what differs from one run to the next."""
    assert outcome.run is not None
    assert outcome.today is not None
    first = outcome.run.causes[0]
    equals = {outcome.pull.cause, *outcome.pull.equals}
    beside = {cause["id"] for cause in outcome.run.causes if cause["id"] in equals}
    return {
        "pull": outcome.pull.name,
        "broken": outcome.pull.real,
        "kubelet": kubelets_word(outcome),
        "acrcheck": {"cause": first["id"], "title": first["title"], "among": sorted({first["id"], *beside})},
        "checkHealth": list(outcome.today.health),
        "checkAcr": list(outcome.today.aks),
    }


def kubelets_word(outcome: Outcome) -> str:
    """What the kubelet says the reason is: of the errors of several credentials, the one that is it."""
    said = next(said for said in outcome.said if outcome.pull.said in said)
    return word(said, outcome.pull.said)


def word(event: str, said: str) -> str:
    """The error of an event that has these words, without what differs from one run to the next."""
    errors = NEXT.split(PULL.sub("", event).removeprefix("[").removesuffix("]"))
    return " ".join(steady(next(error for error in errors if said in error)))


def main() -> int:
    """Stage, ask and write; 1 when a pull could not be played."""
    provision()
    state = kept()
    if state is not None:
        return write(Cluster.attach(state))
    with Running.start() as cluster:
        return write(cluster)


def write(cluster: Cluster) -> int:
    """Play every failed pull and keep what was said; 1 when one broke off, and then nothing is written."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = Stage(cluster, Product.installed(Path(folder))).play(pull.name for pull in pulls.ALL)
    broken_off = {name: outcome.trouble for name, outcome in outcomes.items() if outcome.trouble}
    for name, trouble in broken_off.items():
        sys.stderr.write(f"{name}: {trouble}\n")
    if not broken_off:
        entries = [captured(outcomes[pull.name]) for pull in pulls.ALL]
        compared.FILE.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 1 if broken_off else 0


if __name__ == "__main__":
    sys.exit(main())
