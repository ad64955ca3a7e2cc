"""What roles allow in ARM.

Source: learn.microsoft.com "built-in-roles".
"""

from datetime import datetime
from fnmatch import fnmatchcase

from acrcheck.lab.azure import Azure

GRANTS: dict[str, tuple[str, ...]] = {
    "owner": ("*",),
    "contributor": ("*",),
    "reader": ("*/read",),
    "user access administrator": ("*/read", "microsoft.authorization/*"),
    "role based access control administrator": ("*/read", "microsoft.authorization/roleassignments/*"),
    "virtual machine contributor": (
        "microsoft.compute/virtualmachines/*",
        "microsoft.compute/virtualmachinescalesets/*",
        "microsoft.authorization/*/read",
    ),
    "managed identity operator": (
        "microsoft.managedidentity/userassignedidentities/*/read",
        "microsoft.managedidentity/userassignedidentities/read",
        "microsoft.managedidentity/userassignedidentities/*/assign/action",
        "microsoft.managedidentity/userassignedidentities/assign/action",
    ),
}
WITHHELD: dict[str, tuple[str, ...]] = {
    "contributor": ("microsoft.authorization/*/write", "microsoft.authorization/*/delete"),
}


def allows(azure: Azure, principal: str, action: str, resource_id: str, now: datetime) -> bool:
    """Whether a principal may do this to a resource, by a role on it or above it."""
    wanted = action.lower()
    names = (r.role.lower() for r in azure.assignments(principal, now) if r.covers(resource_id))
    return any(
        _fits(wanted, GRANTS.get(name, ())) and not _fits(wanted, WITHHELD.get(name, ())) for name in names
    )


def _fits(action: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(action, pattern) for pattern in patterns)
