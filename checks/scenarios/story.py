"""The documentation's own story: "Identity not found", although everything is right."""

from acrcheck.lab import faults
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import Forbidden

LOGS = Forbidden("get", "pods", subresource="log")


SCENARIOS = (
    Scenario(
        "old-connection",
        "connection-older-than-nmi",
        "Identity not found, which a restart mends: the application keeps a connection older than NMI",
        Faulty(faults.old_connections),
        mended_by=("restart-pull-always",),
    ),
    Scenario(
        "old-connection-unread",
        "permission-missing",
        "the same, and the application's log may not be read",
        Faulty(faults.old_connections, faults.forbidden(LOGS)),
        beside=("connection-older-than-nmi",),
        unmended="somebody has to give the permission",
        exit_code=0,
    ),
)
