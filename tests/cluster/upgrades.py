"""What the gate before an upgrade is asked on the real cluster, where the lab is asked the same."""

from collections.abc import Callable
from dataclasses import dataclass

from acrcheck.lab import faults
from acrcheck.lab.faults import Fault
from tests.cluster import azure
from tests.cluster.harness import Json
from tests.cluster.place import IMAGE, LABEL

FROM, TO, SKIPPING = "1.43.1", "1.44.3", "1.45.0"
SERVICE = "coder/coder-service"
TAG = f"{IMAGE}:{azure.IMAGE_TAG}"
LEAVE = ("--allow", "probe-pod")
SNAPSHOT = ("--database-snapshot", "coder-before-upgrade")


def values(selector: str, version: str) -> Json:
    """Values by which all images are in the registry under test; for an empty selector there is no label."""
    labels = {LABEL: selector} if selector else {}
    return {
        "coderd": {
            "image": f"{azure.REGISTRY}/{SERVICE}:{version}",
            "extraLabels": labels,
            "replicas": 2,
        },
        "envbox": {"image": TAG},
        "postgres": {"default": {"enable": False}},
    }


def good(selector: str) -> Json:
    """The same, for the chart that is to come."""
    return values(selector, TO)


def of_before(selector: str) -> Json:
    """The same, for the chart that is deployed."""
    return values(selector, FROM)


def of_two_minors(selector: str) -> Json:
    """The same, for one that is too far away."""
    return values(selector, SKIPPING)


def with_old_keys(selector: str) -> Json:
    """A key that the chart fails at."""
    return {**good(selector), "cemanager": {"replicas": 2}}


def as_documented(selector: str) -> Json:
    """The label stands as in the documentation's snippet."""
    given = good(selector)
    return {**given, "coderd": {**given["coderd"], "extraLabels": None}, "extraLabels": None, LABEL: selector}


@dataclass(frozen=True)
class Gate:
    """One way to ask the gate about a release that is well.

    Attributes:
        scenario: the lab's.
        flags: beside the profile and the values.
        given: the values.
        leave: whether it may create pods; what decides without them is told without.
    """

    scenario: str
    flags: tuple[str, ...] = ("--to-chart", TO, *SNAPSHOT)
    given: Callable[[str], Json] = good
    leave: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The command line's, beside the profile and the values."""
        return (*self.flags, *(LEAVE if self.leave else ()))

    @property
    def as_staged(self) -> tuple[Fault, ...]:
        """What makes the lab's run like it."""
        return () if self.leave else (faults.target(allow=frozenset()),)


GATES = (
    Gate("healthy-upgrade", leave=True),
    Gate("upgrade-without-leave"),
    Gate("upgrade-two-minors", ("--to-chart", SKIPPING, *SNAPSHOT), of_two_minors),
    Gate("upgrade-backwards", ("--to-chart", "1.43.0", *SNAPSHOT), of_before),
    Gate("upgrade-with-old-keys", given=with_old_keys),
    Gate("upgrade-loses-label", given=as_documented),
    Gate("upgrade-without-snapshot", ("--to-chart", TO)),
)
