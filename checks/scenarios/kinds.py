"""Workloads that are not Coder's, of every kind; and Coder's where something else sets its replicas."""

from collections.abc import Callable

from acrcheck.lab import faults
from acrcheck.lab.faults import alone
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import IDENTITY, World


def _healthy(name: str, title: str, *made: faults.Fault) -> Scenario:
    return Scenario(name, "", title, alone(*made), exit_code=0)


def _unlabelled(kind: str) -> Callable[[], World]:
    return alone(faults.become(kind, label=None), faults.identity_asked_for)


SCENARIOS = (
    _healthy(
        "deployment",
        "a Deployment that has no pod identity, and needs none",
        faults.become("Deployment", label=None),
    ),
    _healthy("statefulset", "a StatefulSet with a pod identity", faults.become("StatefulSet")),
    _healthy("daemonset", "a DaemonSet with a pod identity", faults.become("DaemonSet")),
    _healthy("job", "a Job with a pod identity, while it runs", faults.become("Job")),
    _healthy("cronjob", "a CronJob with a pod identity, while it runs", faults.become("CronJob")),
    _healthy("bare-pod", "a pod by itself with a pod identity", faults.become("Pod")),
    _healthy(
        "named-by-pod", "a Deployment, named by one of its pods", faults.become("Deployment", named="pod")
    ),
    _healthy("autoscaled", "an autoscaler has just asked for one more replica", faults.autoscaled),
    Scenario(
        "statefulset-label-missing",
        "pod-label-missing",
        "a StatefulSet without the label",
        _unlabelled("StatefulSet"),
        mended_by=("patch",),
    ),
    Scenario(
        "daemonset-label-missing",
        "pod-label-missing",
        "a DaemonSet without the label",
        _unlabelled("DaemonSet"),
        mended_by=("patch",),
    ),
    Scenario(
        "job-label-missing",
        "pod-label-missing",
        "a Job without the label",
        _unlabelled("Job"),
        unmended="the template of a Job cannot be changed: it is made anew from its manifest, by whoever has that",
    ),
    Scenario(
        "cronjob-label-missing",
        "pod-label-missing",
        "a CronJob without the label",
        _unlabelled("CronJob"),
        mended_by=("patch-cronjob",),
    ),
    Scenario(
        "bare-pod-label-missing",
        "pod-label-missing",
        "a pod by itself without the label",
        _unlabelled("Pod"),
        mended_by=("label-pod",),
    ),
    Scenario(
        "bare-pod-label-wrong-case",
        "pod-label-wrong-case",
        "the label of a pod by itself in another letter case",
        alone(faults.become("Pod", label=None, more={"aadPodIdBinding": IDENTITY})),
        mended_by=("label-pod",),
    ),
    Scenario(
        "job-label-wrong-case",
        "pod-label-wrong-case",
        "the label of a Job in another letter case",
        alone(faults.become("Job", label=None, more={"aadPodIdBinding": IDENTITY})),
        unmended="the template of a Job cannot be changed: it is made anew from its manifest, by whoever has that",
    ),
    Scenario(
        "cronjob-label-wrong-case",
        "pod-label-wrong-case",
        "the label of a CronJob in another letter case",
        alone(faults.become("CronJob", label=None, more={"aadPodIdBinding": IDENTITY})),
        mended_by=("patch-cronjob",),
    ),
    Scenario(
        "bare-pod-label-is-not-selector",
        "label-is-not-the-selector",
        "a pod by itself is labelled with the identity's name, in capitals",
        alone(faults.become("Pod", label=IDENTITY.title())),
        mended_by=("label-pod",),
    ),
    Scenario(
        "job-label-is-not-selector",
        "label-is-not-the-selector",
        "a Job's label differs from the selector in its case",
        alone(faults.become("Job", label=IDENTITY.title())),
        unmended="the template of a Job cannot be changed: it is made anew from its manifest, by whoever has that",
    ),
    Scenario(
        "cronjob-label-is-not-selector",
        "label-is-not-the-selector",
        "a CronJob's label differs from the selector in its case",
        alone(faults.become("CronJob", label=IDENTITY.title())),
        unmended="the patch is for the next run's pods",
    ),
    Scenario(
        "statefulset-on-delete",
        "label-on-some-pods",
        "a StatefulSet got the label, and waits for its pods to be deleted",
        alone(faults.become("StatefulSet", label=None), faults.on_delete, faults.label_template),
        beside=("rollout-incomplete",),
        mended_by=("replace-pods",),
    ),
    Scenario(
        "statefulset-old-connections",
        "connection-older-than-nmi",
        "a StatefulSet's old connection goes past NMI",
        alone(faults.become("StatefulSet"), faults.old_connections),
        mended_by=("restart",),
    ),
    Scenario(
        "statefulset-on-delete-old-connections",
        "connection-older-than-nmi",
        "an old connection goes past NMI, and the StatefulSet replaces no pod by itself",
        alone(faults.become("StatefulSet"), faults.on_delete, faults.old_connections),
        mended_by=("replace-pods",),
    ),
    Scenario(
        "daemonset-old-connections",
        "connection-older-than-nmi",
        "a DaemonSet's old connection goes past NMI",
        alone(faults.become("DaemonSet"), faults.old_connections),
        mended_by=("restart",),
    ),
    Scenario(
        "job-old-connections",
        "connection-older-than-nmi",
        "a Job's old connection goes past NMI",
        alone(faults.become("Job"), faults.old_connections),
        mended_by=("delete-job-pods",),
    ),
    Scenario(
        "cronjob-old-connections",
        "connection-older-than-nmi",
        "an old connection of a CronJob's pods goes past NMI",
        alone(faults.become("CronJob"), faults.old_connections),
        unmended="the next run's pods open connections of their own",
    ),
    Scenario(
        "bare-pod-old-connections",
        "connection-older-than-nmi",
        "an old connection of a pod by itself goes past NMI",
        alone(faults.become("Pod"), faults.old_connections),
        unmended="nothing makes the pod anew: whoever has its manifest does",
    ),
    Scenario(
        "job-nmi-down",
        "nmi-down",
        "NMI has no pod on a node of a Job",
        alone(faults.become("Job"), faults.no_nmi(faults.WORKER_NODE)),
        unmended="what keeps NMI from the node is not known",
    ),
    Scenario(
        "cronjob-nmi-down",
        "nmi-down",
        "NMI has no pod on a node of a CronJob's pods",
        alone(faults.become("CronJob"), faults.no_nmi(faults.WORKER_NODE)),
        unmended="what keeps NMI from the node is not known",
    ),
    Scenario(
        "bare-pod-nmi-down",
        "nmi-down",
        "NMI has no pod on the node of a pod by itself",
        alone(faults.become("Pod"), faults.no_nmi(faults.SYSTEM_NODE)),
        unmended="what keeps NMI from the node is not known",
    ),
    Scenario(
        "statefulset-on-delete-nmi-down",
        "nmi-down",
        "NMI has no pod on a node of a StatefulSet that replaces no pod by itself",
        alone(faults.become("StatefulSet"), faults.on_delete, faults.no_nmi(faults.WORKER_NODE)),
        unmended="what keeps NMI from the node is not known",
    ),
)
