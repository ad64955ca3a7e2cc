"""Remedies as they are printed, done by the real programs."""

from dataclasses import dataclass

from tests.cluster.harness import Cluster, Json

BY_HAND = "az "
LIMIT = 120
ASKS_NAME = "read -r NAME"


@dataclass(frozen=True)
class Done:
    """A remedy's command after it ran.

    Attributes:
        changes: whether the report says that it changes something.
    """

    cause: str
    remedy: str
    command: str
    changes: bool
    code: int
    output: str

    @property
    def well(self) -> bool:
        """Whether it worked; a command that only looks may come back with nothing."""
        return self.code == 0 or (not self.changes and self.code == 1 and "rror" not in self.output)


def runnable(cause: Json) -> list[Json]:
    """The remedies of a cause that the cluster's own programs can carry out."""
    return [
        remedy
        for remedy in cause["remedies"]
        if "kubectl " in remedy["command"] + " " or "helm " in remedy["command"]
        if not any(word in remedy["command"] for word in ("$(az ", "&& az ", "; az "))
    ]


def carry_out(cluster: Cluster, cause: Json, name: str = "", password: str = "") -> list[Done]:
    """Run a cause's commands verbatim, in the order in which they are printed.

    Args:
        cluster: where.
        cause: as the report has it.
        name: what somebody types who is asked for a user name.
        password: what somebody types who is asked for a password.
    """
    done = []
    for remedy in runnable(cause):
        typed = f"{name}\n{password}\n" if ASKS_NAME in remedy["command"] else f"{password}\n"
        ran = cluster.run("bash", "-c", remedy["command"], stdin=typed, limit=LIMIT)
        output = ran.stdout + ran.stderr
        changes = bool(remedy["changes"])
        done.append(Done(cause["id"], remedy["id"], remedy["command"], changes, ran.returncode, output))
    return done
