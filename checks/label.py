"""The label by which AAD Pod Identity finds its pods."""

from typing import Any

from acrcheck.api import Check, Each, Looking, Maybe, NotApplicableError, Target, fail, note, warn
from acrcheck.facts import IdentityObjects, Pod, PodIdentity, PodLabel, TemplateLabel, Workload

from .objects import name as name_of
from .objects import namespace, text, texts

LABEL = "aadpodidbinding"
"""The key that NMI and MIC look for (aad-pod-identity, pkg/apis/aadpodidentity/v1/types.go CRDLabelKey)."""
UNKNOWN_SELECTOR = "SELECTOR_OF_YOUR_AZUREIDENTITYBINDING"

TEMPLATE_WITHOUT = fail(
    "template-without-label", "{workload}'s pod template has no label {key}{elsewhere}", "selector"
)
TEMPLATE_WRONG_CASE = fail(
    "template-label-wrong-case",
    "the pod template of {workload} carries {found}: the key must be {key}",
    "selector",
    "wrong",
)
TEMPLATE_EMPTY = fail(
    "template-label-empty", "the label {key} of {workload}'s pod template is empty", "selector"
)
LABELLED = note("template-labelled", "the pod template carries {key}={value}")
ON_OWNER_ONLY = note(
    "label-on-workload-only", "{key}={value} is on the {workload} object itself, which gives it to no pod"
)
BY_HAND = warn(
    "label-by-hand",
    "the running pods carry {key}, the template does not: they were labelled by hand, the next pods will lack it",
    "selector",
)
POD_WITHOUT = fail("pod-without-label", "pod {pod} carries no label {key}")
POD_OLDER = fail(
    "pod-older-than-template",
    "pod {pod} lacks the label {key} that the template has: it is of an older template",
)
POD_EMPTY = fail("pod-label-empty", "the label {key} of pod {pod} is empty")
POD_WRONG_CASE = fail("pod-label-wrong-case", "pod {pod} carries {found}: the key must be {key}")
NO_EFFECT = note(
    "template-label-without-effect",
    "the pods use their node's network: NMI never sees them, whatever label they carry",
)
POD_NO_EFFECT = note(
    "pod-label-without-effect",
    "pod {pod} uses its node's network: NMI never sees it, whatever label it carries",
)
POD_LABELLED = note("pod-labelled", "pod {pod} carries {key}={value}")


def pod_identity(workload: Workload, target: Target) -> Looking[PodIdentity]:
    """The workload is meant to have a pod identity: it is Coder v1, says so by a label, or an identity was named."""
    labels = {**texts(workload.manifest, "metadata", "labels"), **texts(workload.template_labels)}
    named = target.identity_client_id or target.identity_resource_id
    if not (workload.coder or named or LABEL in labels or _wrong_case(labels)):
        raise NotApplicableError(
            f"nothing says that {workload.kind}/{workload.name} has a pod identity: name one with "
            f"--identity-client-id if it should"
        )
    yield from ()
    return PodIdentity()


def template_label(
    workload: Workload,
    wanted: PodIdentity,  # noqa: ARG001 - else there is nothing to look for
    pods: Each[Pod],
    objects: Maybe[IdentityObjects],
    target: Target,
) -> Looking[TemplateLabel]:
    """The pod template carries the label, so every next pod will."""
    name = f"{workload.kind}/{workload.name}"
    labels = texts(workload.template_labels)
    value = labels.get(LABEL)
    selector = _selector(objects.value, workload.namespace, target)
    wrong = _wrong_case(labels)
    if not value and workload.pod_spec.get("hostNetwork"):
        yield NO_EFFECT()
    elif value:
        yield LABELLED(key=LABEL, value=value)
    elif value == "":
        yield TEMPLATE_EMPTY(workload=name, key=LABEL, selector=selector)
    elif wrong:
        found = f"{wrong}={labels[wrong]}"
        chosen = labels[wrong] or selector
        yield TEMPLATE_WRONG_CASE(workload=name, key=LABEL, found=found, selector=chosen, wrong=wrong)
    elif len(pods) and all(pod.labels.get(LABEL) for pod in pods):
        yield BY_HAND(key=LABEL, selector=next(iter(pods)).labels[LABEL])
    else:
        own = texts(workload.manifest, "metadata", "labels").get(LABEL)
        elsewhere = "" if own is None else "; its metadata has"
        yield TEMPLATE_WITHOUT(workload=name, key=LABEL, elsewhere=elsewhere, selector=selector)
        if own is not None:
            yield ON_OWNER_ONLY(key=LABEL, value=own, workload=name)
    return TemplateLabel(value)


def _selector(objects: IdentityObjects | None, where: str, target: Target) -> str:
    """Give the selector the label should have: of the only binding, or of the one for the identity asked for.

    The bindings of the workload's own namespace come first: in managed mode they are the only ones that count.
    """
    if objects is None:
        return UNKNOWN_SELECTOR
    bindings = [item for item in objects.bindings if text(item, "spec", "selector")]
    if target.identity_client_id or target.identity_resource_id:
        wanted = {
            name_of(item)
            for item in objects.identities
            if _is(item, "clientID", target.identity_client_id)
            or _is(item, "resourceID", target.identity_resource_id)
        }
        bindings = [item for item in bindings if text(item, "spec", "azureIdentity") in wanted]
    bindings = [item for item in bindings if namespace(item) == where] or bindings
    selectors = {text(item, "spec", "selector") for item in bindings}
    return selectors.pop() if len(selectors) == 1 else UNKNOWN_SELECTOR


def _is(item: dict[str, Any], field: str, wanted: str) -> bool:
    return bool(wanted) and text(item, "spec", field).lower() == wanted.lower()


def _wrong_case(labels: dict[str, str]) -> str:
    """Give a key that differs from the label's only in letter case, `-` or `_`; empty when there is none."""
    for key in labels:
        if key != LABEL and key.lower().replace("-", "").replace("_", "") == LABEL:
            return key
    return ""


def pod_label(pod: Pod, template: TemplateLabel) -> Looking[PodLabel]:
    """A running pod carries the label."""
    value = pod.labels.get(LABEL)
    wrong = _wrong_case(pod.labels)
    if not value and pod.host_network:
        yield POD_NO_EFFECT(pod=pod.name)
    elif value:
        yield POD_LABELLED(pod=pod.name, key=LABEL, value=value)
    elif value == "":
        yield POD_EMPTY(pod=pod.name, key=LABEL)
    elif wrong:
        yield POD_WRONG_CASE(pod=pod.name, key=LABEL, found=wrong)
    elif template.value:
        yield POD_OLDER(pod=pod.name, key=LABEL)
    else:
        yield POD_WITHOUT(pod=pod.name, key=LABEL)
    return PodLabel(value or None)


CHECKS = (
    Check("pod-identity", "the workload is meant to have a pod identity", pod_identity),
    Check(
        "label-template",
        "the pod template carries aadpodidbinding",
        template_label,
        sees=(
            TEMPLATE_WITHOUT,
            TEMPLATE_WRONG_CASE,
            TEMPLATE_EMPTY,
            LABELLED,
            ON_OWNER_ONLY,
            BY_HAND,
            NO_EFFECT,
        ),
    ),
    Check(
        "label-pods",
        "every pod carries aadpodidbinding",
        pod_label,
        sees=(POD_WITHOUT, POD_OLDER, POD_EMPTY, POD_WRONG_CASE, POD_LABELLED, POD_NO_EFFECT),
        each=Pod,
    ),
)
