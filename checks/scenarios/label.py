"""The label: missing, misspelt, misplaced, on some pods only."""

from acrcheck.lab import faults
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import IDENTITY, World, healthy


def _missing(*, helm: bool = True) -> World:
    return faults.broken(healthy(helm=helm), faults.relabel())


def _missing_standard() -> World:
    return faults.broken(healthy(mode="standard"), faults.relabel())


def _gitops() -> World:
    return faults.broken(_missing(), faults.owned_by_argo)


def _old_chart() -> World:
    return faults.broken(_missing(), faults.chart_unknown)


def _empty() -> World:
    return faults.broken(healthy(), faults.relabel(value=""))


def _on_deployment() -> World:
    return faults.broken(_missing(), faults.label_deployment)


def _one_by_hand() -> World:
    return faults.broken(_missing(), faults.label_pods(1))


def _all_by_hand() -> World:
    return faults.broken(_missing(), faults.label_pods(2))


def _wrong_case() -> World:
    return faults.broken(healthy(), faults.relabel("aadPodIdBinding", IDENTITY))


def _some_pods() -> World:
    return faults.broken(healthy(), faults.keep_old_pod)


def _rolling_out() -> World:
    return faults.broken(healthy(), faults.hold_rollout)


SCENARIOS = (
    Scenario(
        "label-missing", "pod-label-missing", "no label on the pods (Helm)", _missing, mended_by=("helm",)
    ),
    Scenario(
        "label-missing-old-chart",
        "pod-label-missing",
        "no label, and the chart's version is not on the Deployment",
        _old_chart,
        mended_by=("helm-unknown-chart",),
    ),
    Scenario(
        "label-missing-by-hand",
        "pod-label-missing",
        "no label on pods that kubectl made",
        lambda: _missing(helm=False),
        mended_by=("patch",),
    ),
    Scenario(
        "label-missing-gitops",
        "pod-label-missing",
        "no label, and Argo CD owns the Deployment",
        _gitops,
        unmended="the change belongs into the repository that Argo CD applies",
    ),
    Scenario(
        "label-missing-standard",
        "pod-label-missing",
        "no label, NMI in standard mode",
        _missing_standard,
        mended_by=("helm",),
    ),
    Scenario("label-empty", "pod-label-missing", "the label is empty", _empty, mended_by=("helm",)),
    Scenario(
        "label-on-deployment",
        "pod-label-missing",
        "the label is on the Deployment and not on its pods",
        _on_deployment,
        mended_by=("helm",),
    ),
    Scenario(
        "label-on-one-pod-by-hand",
        "pod-label-missing",
        "one of two pods was labelled by hand",
        _one_by_hand,
        mended_by=("helm",),
    ),
    Scenario(
        "label-by-hand",
        "label-by-hand",
        "all pods were labelled by hand, the next ones will not be",
        _all_by_hand,
        mended_by=("helm",),
        exit_code=0,
    ),
    Scenario(
        "label-wrong-case",
        "pod-label-wrong-case",
        "the label in another letter case",
        _wrong_case,
        mended_by=("helm",),
    ),
    Scenario(
        "label-on-some-pods",
        "label-on-some-pods",
        "one of two pods is older than the label",
        _some_pods,
        mended_by=("restart-pull-always",),
    ),
    Scenario(
        "label-rolling-out",
        "label-on-some-pods",
        "the rollout that brings the label is under way",
        _rolling_out,
        beside=("rollout-incomplete",),
        unmended="it mends itself when the rollout is complete",
    ),
)
