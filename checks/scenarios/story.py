"""The documentation's own story: "Identity not found", although everything is right."""

from acrcheck.lab import faults
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import Forbidden, World, healthy


def _story() -> World:
    return faults.broken(healthy(), faults.old_connections)


def _unread() -> World:
    world = _story()
    world.operator.forbidden.append(Forbidden("get", "pods", subresource="log"))
    return world


SCENARIOS = (
    Scenario(
        "old-connection",
        "connection-older-than-nmi",
        "Identity not found, which a restart mends: the application keeps a connection older than NMI",
        _story,
        mended_by=("restart-pull-always",),
    ),
    Scenario(
        "old-connection-unread",
        "permission-missing",
        "the same, and the application's log may not be read",
        _unread,
        beside=("connection-older-than-nmi",),
        unmended="somebody has to give the permission",
        exit_code=0,
    ),
)
