"""The label by which AAD Pod Identity finds its pods."""

from typing import Any

import pytest

from acrcheck.api import Looking, Maybe, NotApplicableError, Target
from acrcheck.facts import IdentityObjects, Pod, PodLabel, TemplateLabel
from checks.label import CHECKS, UNKNOWN_SELECTOR, pod_identity, pod_label, template_label
from tests.checks.looking import (
    CLIENT_ID,
    LABEL,
    OTHER_ID,
    RESOURCE_ID,
    WANTED,
    Case,
    binding,
    declared,
    deployment,
    each,
    identity,
    known,
    look,
    pod,
    refuse_unseen,
    sight,
    thing,
    unknown,
    workload,
)

BARE = pod(labels={})
HOSTED = pod(labels={}, spec={"hostNetwork": True})


def template(
    labels: Any,
    *pods: Pod,
    own: Any = None,
    objects: Maybe[IdentityObjects] | None = None,
    target: Target | None = None,
    hosted: bool = False,
) -> Looking[TemplateLabel]:
    """Look at a template with these labels; `own` are those of the Deployment itself."""
    manifest = deployment(metadata={"labels": own})
    if hosted:
        manifest["spec"]["template"]["spec"] = {"hostNetwork": True}
    manifest["spec"]["template"]["metadata"]["labels"] = labels
    return template_label(workload(manifest), WANTED, each(*pods), objects or unknown(), target or Target())


def on_pod(labels: dict[str, str], value: str | None = None) -> Looking[PodLabel]:
    """Look at a pod with these labels, of a template with that value."""
    return pod_label(pod(labels=labels), TemplateLabel(value))


CASES: dict[tuple[str, str], Case] = {
    ("label-template", "template-without-label"): lambda: template({}, BARE),
    ("label-template", "template-label-wrong-case"): lambda: template({"aadPodIdBinding": "coder"}, BARE),
    ("label-template", "template-label-empty"): lambda: template({LABEL: ""}, BARE),
    ("label-template", "template-labelled"): lambda: template({LABEL: "coder"}, pod()),
    ("label-template", "label-on-workload-only"): lambda: template({}, BARE, own={LABEL: "coder"}),
    ("label-template", "label-by-hand"): lambda: template({}, pod()),
    ("label-template", "template-label-without-effect"): lambda: template({}, BARE, hosted=True),
    ("label-pods", "pod-label-without-effect"): lambda: pod_label(HOSTED, TemplateLabel(None)),
    ("label-pods", "pod-without-label"): lambda: on_pod({}),
    ("label-pods", "pod-older-than-template"): lambda: on_pod({}, "coder"),
    ("label-pods", "pod-label-empty"): lambda: on_pod({LABEL: ""}),
    ("label-pods", "pod-label-wrong-case"): lambda: on_pod({"AadPodIdBinding": "coder"}),
    ("label-pods", "pod-labelled"): lambda: on_pod({LABEL: "coder"}),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some world."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


@pytest.mark.parametrize(
    "key", ["AADPODIDBINDING", "aadPodIdBinding", "aad-pod-id-binding", "aadpodid_binding", "Aadpodidbinding"]
)
def test_a_key_that_differs_in_case_or_dashes_is_recognised(key: str) -> None:
    """The remedy renames it and keeps its value."""
    (seen,), fact = look(template({key: "blue"}, BARE))
    assert (seen.id, seen.values["wrong"], seen.values["selector"]) == (
        "template-label-wrong-case",
        key,
        "blue",
    )
    assert fact.value is None


def test_a_right_key_beside_a_wrong_one_is_all_that_counts() -> None:
    """The wrong one does no harm."""
    assert sight(template({"AadPodIdBinding": "x", LABEL: "coder"}, pod())) == ["template-labelled"]


@pytest.mark.parametrize("labels", [None, [], "x", {}, {LABEL: None}, {LABEL: 7}, {"other": "coder"}])
def test_no_label_of_any_kind_is_no_label(labels: Any) -> None:
    """Null, lists and values that are no text carry no label."""
    assert sight(template(labels, BARE)) == ["template-without-label"]


@pytest.mark.parametrize("own", [None, [], {LABEL: None}, {}])
def test_odd_labels_of_the_workload_itself_are_none(own: Any) -> None:
    """Only a label that is there is said to be in the wrong place."""
    assert sight(template({}, BARE, own=own)) == ["template-without-label"]


def test_without_pods_nothing_was_labelled_by_hand() -> None:
    """All of no pods carrying the label means nothing."""
    assert sight(template({})) == ["template-without-label"]


def test_a_label_on_only_some_pods_is_no_label_by_hand() -> None:
    """The template lacks it, and so do pods."""
    assert sight(template({}, pod(), pod("coderd-2", labels={}))) == ["template-without-label"]


def test_the_label_by_hand_names_the_value_to_keep() -> None:
    """The remedy sets in the template what the pods already carry."""
    (seen,), _ = look(template({}, pod(labels={LABEL: "blue"})))
    assert seen.values["selector"] == "blue"


def advised(objects: IdentityObjects, **target: Any) -> str:
    """The selector that the observation advises."""
    seen, _ = look(template({}, BARE, objects=known(objects), target=Target(**target)))
    return seen[0].values["selector"]


def world(*bindings: dict[str, Any], identities: tuple[dict[str, Any], ...] = ()) -> IdentityObjects:
    """Objects of the identity API."""
    return IdentityObjects(identities, bindings, (), everywhere=True)


def test_the_only_bindings_selector_is_advised() -> None:
    """There is nothing to choose."""
    assert advised(world(binding("blue"))) == "blue"


def test_the_own_namespaces_binding_goes_before_others() -> None:
    """Other teams' bindings do not make the choice unclear."""
    assert advised(world(binding("blue"), binding("red", namespace="red"))) == "blue"


@pytest.mark.parametrize(
    "wanted", [{"identity_client_id": OTHER_ID.upper()}, {"identity_resource_id": RESOURCE_ID.upper()}]
)
def test_the_identity_asked_for_decides_between_bindings(wanted: dict[str, str]) -> None:
    """Its binding's selector is advised, whatever the letter case of the flag."""
    field = {"clientID": OTHER_ID} if "identity_client_id" in wanted else {"resourceID": RESOURCE_ID}
    others = {"clientID": CLIENT_ID, "resourceID": "/other"}
    objects = world(
        binding("blue", "one", name="a"),
        binding("red", "two", name="b"),
        identities=(identity("one", **others), identity("two", **others | field)),
    )
    assert advised(objects, **wanted) == "red"


@pytest.mark.parametrize(
    "bindings",
    [
        (),
        (binding("blue"), binding("red", name="b")),
        (binding(""), binding(None), binding([])),
        (thing("b"), thing("b", []), {"metadata": None}, {}),
    ],
)
def test_where_no_selector_is_clear_a_placeholder_stands(bindings: tuple[dict[str, Any], ...]) -> None:
    """None, several and broken bindings leave the choice to the reader."""
    assert advised(world(*bindings)) == UNKNOWN_SELECTOR


def test_odd_objects_do_not_hide_the_good_one() -> None:
    """A broken binding or identity is no crash."""
    odd: tuple[dict[str, Any], ...] = (
        {},
        {"metadata": []},
        thing("x", {"azureIdentity": ["coder"], "selector": "y"}, "other"),
    )
    objects = world(*odd, binding("blue"), identities=({}, thing("z", "x"), identity()))
    assert advised(objects, identity_client_id=CLIENT_ID) == "blue"


def test_an_empty_label_is_no_value() -> None:
    """Later checks have nothing to match."""
    assert look(on_pod({LABEL: ""}))[1] == PodLabel(None)


def test_the_label_of_a_pod_is_its_fact() -> None:
    """Also where the template's value is another by now."""
    assert look(on_pod({LABEL: "blue"}, "red"))[1] == PodLabel("blue")


@pytest.mark.parametrize(
    ("labels", "own", "coder", "target"),
    [
        ({}, {}, True, Target()),
        ({LABEL: "x"}, {}, False, Target()),
        ({LABEL: ""}, {}, False, Target()),
        ({"aadPodIdBinding": "x"}, {}, False, Target()),
        ({}, {LABEL: "x"}, False, Target()),
        ({}, {}, False, Target(identity_client_id=CLIENT_ID)),
        ({}, {}, False, Target(identity_resource_id=RESOURCE_ID)),
    ],
)
def test_a_pod_identity_is_looked_for_where_something_asks_for_it(
    labels: dict[str, str], own: dict[str, str], coder: bool, target: Target
) -> None:
    """Coder v1, the label on template or object, however spelt, or the operator."""
    manifest = deployment(labels, metadata={"labels": own})
    assert look(pod_identity(workload(manifest, coder=coder), target)) == ([], WANTED)


@pytest.mark.parametrize("labels", [{}, {"app": "x"}])
def test_a_workload_that_asks_for_no_pod_identity_is_not_blamed_for_having_none(
    labels: dict[str, str],
) -> None:
    """The reason says how to have it checked all the same."""
    with pytest.raises(NotApplicableError, match="--identity-client-id"):
        look(pod_identity(workload(deployment(labels), coder=False), Target()))
