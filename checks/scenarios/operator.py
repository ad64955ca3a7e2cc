"""What the operator may not see, what the image lacks, and workloads that do not run."""

from acrcheck.lab import faults
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import Forbidden

GROUP = "aadpodidentity.k8s.io"
LEAVE = "somebody has to give the permission"


OBJECTS = ("azureidentities", "azureidentitybindings", "azurepodidentityexceptions")

SCENARIOS = (
    Scenario(
        "no-exec",
        "permission-missing",
        "the operator may not exec into pods",
        Faulty(
            faults.forbidden(*(Forbidden(verb, "pods", subresource="exec") for verb in ("create", "get")))
        ),
        unmended=LEAVE,
        exit_code=3,
    ),
    Scenario(
        "no-identity-objects",
        "permission-missing",
        "the operator may not read AAD Pod Identity's objects",
        Faulty(
            faults.forbidden(
                *(Forbidden("list", kind, GROUP) for kind in (*OBJECTS, "azureassignedidentities"))
            )
        ),
        unmended=LEAVE,
        exit_code=3,
    ),
    Scenario(
        "one-namespace",
        "permission-missing",
        "the operator may read AAD Pod Identity's objects in the workload's namespace only",
        Faulty(faults.forbidden(*(Forbidden("list", kind, GROUP, elsewhere=True) for kind in OBJECTS))),
        unmended=LEAVE,
        exit_code=0,
    ),
    Scenario(
        "no-pods-of-others",
        "permission-missing",
        "the operator may not see pods of other namespaces, so not NMI's",
        Faulty(faults.forbidden(Forbidden("list", "pods", elsewhere=True))),
        unmended=LEAVE,
        exit_code=3,
    ),
    Scenario(
        "nothing-to-ask-with",
        "",
        "the image has no program that can ask the network",
        Faulty(faults.tools()),
        unmended="--allow lets acrcheck bring its own",
        exit_code=3,
    ),
    Scenario(
        "wget-only",
        "",
        "the image has wget only, which may not carry a secret",
        Faulty(faults.tools("wget")),
        unmended="--allow lets acrcheck bring its own",
        exit_code=3,
    ),
    Scenario(
        "workload-crashing",
        "workload-not-running",
        "the workload's containers crash",
        Faulty(faults.crash_workload),
        unmended="what the workload lacks is not known here",
        beside=("rollout-incomplete",),
    ),
    Scenario(
        "rolling-out",
        "rollout-incomplete",
        "a rollout is under way, and an old pod is ending",
        Faulty(faults.roll_out),
        unmended="it mends itself when the rollout is complete",
        exit_code=0,
    ),
    Scenario(
        "scaled-to-zero",
        "workload-scaled-to-zero",
        "the workload is scaled to zero",
        Faulty(faults.scale(0)),
        mended_by=("scale",),
    ),
)
