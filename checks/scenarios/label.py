"""The label: missing, misspelt, misplaced, on some pods only."""

from acrcheck.lab import faults
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import IDENTITY

SCENARIOS = (
    Scenario(
        "label-missing",
        "pod-label-missing",
        "no label on the pods (Helm)",
        Faulty(faults.relabel()),
        mended_by=("helm",),
    ),
    Scenario(
        "label-missing-old-chart",
        "pod-label-missing",
        "no label, and the chart's version is not on the Deployment",
        Faulty(faults.relabel(), faults.chart_unknown),
        mended_by=("helm-unknown-chart",),
    ),
    Scenario(
        "label-missing-by-hand",
        "pod-label-missing",
        "no label on pods that kubectl made",
        Faulty(faults.relabel(), helm=False),
        mended_by=("patch",),
    ),
    Scenario(
        "label-missing-gitops",
        "pod-label-missing",
        "no label, and Argo CD owns the Deployment",
        Faulty(faults.relabel(), faults.owned_by_argo),
        unmended="the change belongs into the repository that Argo CD applies",
    ),
    Scenario(
        "label-missing-standard",
        "pod-label-missing",
        "no label, NMI in standard mode",
        Faulty(faults.relabel(), mode="standard"),
        mended_by=("helm",),
    ),
    Scenario(
        "label-empty",
        "pod-label-missing",
        "the label is empty",
        Faulty(faults.relabel(value="")),
        mended_by=("helm",),
    ),
    Scenario(
        "label-on-deployment",
        "pod-label-missing",
        "the label is on the Deployment and not on its pods",
        Faulty(faults.relabel(), faults.label_deployment),
        mended_by=("helm",),
    ),
    Scenario(
        "label-on-one-pod-by-hand",
        "pod-label-missing",
        "one of two pods was labelled by hand",
        Faulty(faults.relabel(), faults.label_pods(1)),
        mended_by=("helm",),
    ),
    Scenario(
        "label-by-hand",
        "label-by-hand",
        "all pods were labelled by hand, the next ones will not be",
        Faulty(faults.relabel(), faults.label_pods(2)),
        mended_by=("helm",),
        exit_code=0,
    ),
    Scenario(
        "label-wrong-case",
        "pod-label-wrong-case",
        "the label in another letter case",
        Faulty(faults.relabel("aadPodIdBinding", IDENTITY)),
        mended_by=("helm",),
    ),
    Scenario(
        "label-on-some-pods",
        "label-on-some-pods",
        "one of two pods is older than the label",
        Faulty(faults.keep_old_pod),
        mended_by=("restart-pull-always",),
    ),
    Scenario(
        "label-rolling-out",
        "label-on-some-pods",
        "the rollout that brings the label is under way",
        Faulty(faults.hold_rollout),
        beside=("rollout-incomplete",),
        unmended="it mends itself when the rollout is complete",
    ),
)
