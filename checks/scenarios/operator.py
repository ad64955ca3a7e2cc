"""What the operator may not see, what the image lacks, and workloads that do not run."""

from acrcheck.lab import faults
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import Forbidden, World, healthy

GROUP = "aadpodidentity.k8s.io"
LEAVE = "somebody has to give the permission"


def _may_not(*forbidden: Forbidden, world: World | None = None) -> World:
    world = world or healthy()
    world.operator.forbidden += forbidden
    return world


def _no_exec() -> World:
    return _may_not(Forbidden("create", "pods", subresource="exec"))


def _no_objects() -> World:
    kinds = (
        "azureidentities",
        "azureidentitybindings",
        "azurepodidentityexceptions",
        "azureassignedidentities",
    )
    return _may_not(*(Forbidden("list", kind, GROUP) for kind in kinds))


def _one_namespace() -> World:
    kinds = ("azureidentities", "azureidentitybindings", "azurepodidentityexceptions")
    return _may_not(*(Forbidden("list", kind, GROUP, clusterwide=True) for kind in kinds))


def _no_nmi_pods() -> World:
    return _may_not(Forbidden("list", "pods", clusterwide=True))


def _bare() -> World:
    return faults.broken(healthy(), faults.tools())


def _bare_and_blocked() -> World:
    return faults.broken(healthy(), faults.tools("wget"))


def _crashing() -> World:
    return faults.broken(healthy(), faults.crash_workload)


def _rolling_out() -> World:
    return faults.broken(healthy(), faults.roll_out)


def _scaled_down() -> World:
    return faults.broken(healthy(), faults.scale(0))


SCENARIOS = (
    Scenario(
        "no-exec",
        "permission-missing",
        "the operator may not exec into pods",
        _no_exec,
        unmended=LEAVE,
        exit_code=3,
    ),
    Scenario(
        "no-identity-objects",
        "permission-missing",
        "the operator may not read AAD Pod Identity's objects",
        _no_objects,
        unmended=LEAVE,
        exit_code=3,
    ),
    Scenario(
        "one-namespace",
        "permission-missing",
        "the operator may read AAD Pod Identity's objects in the workload's namespace only",
        _one_namespace,
        unmended=LEAVE,
        exit_code=0,
    ),
    Scenario(
        "no-pods-of-others",
        "permission-missing",
        "the operator may not see pods of other namespaces, so not NMI's",
        _no_nmi_pods,
        unmended=LEAVE,
        exit_code=3,
    ),
    Scenario(
        "nothing-to-ask-with",
        "",
        "the image has no program that can ask the network",
        _bare,
        unmended="--allow lets acrcheck bring its own",
        exit_code=3,
    ),
    Scenario(
        "wget-only",
        "",
        "the image has wget only, which may not carry a secret",
        _bare_and_blocked,
        unmended="--allow lets acrcheck bring its own",
        exit_code=3,
    ),
    Scenario(
        "workload-crashing",
        "workload-not-running",
        "the workload's containers crash",
        _crashing,
        unmended="what the workload lacks is not known here",
        beside=("rollout-incomplete",),
    ),
    Scenario(
        "rolling-out",
        "rollout-incomplete",
        "a rollout is under way, and an old pod is ending",
        _rolling_out,
        unmended="it mends itself when the rollout is complete",
        exit_code=0,
    ),
    Scenario(
        "scaled-to-zero",
        "workload-scaled-to-zero",
        "the workload is scaled to zero",
        _scaled_down,
        mended_by=("scale",),
    ),
)
