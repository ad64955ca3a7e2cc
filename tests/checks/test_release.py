"""The Helm release that makes the workload."""

from typing import Any

import pytest

from acrcheck.api import SECRETS, Answer, CannotLookError, Looking, NotApplicableError, Outcome, Target
from acrcheck.facts import ChartValues, HelmRelease, Workload
from acrcheck.helm.release import HIDDEN, packed
from acrcheck.helm.release import sealed as sealed_release
from checks.release import CHECKS, drift, release, release_values
from tests.checks.looking import (
    LABEL,
    NAMESPACE,
    Case,
    FakeCluster,
    declared,
    deployment,
    ids,
    look,
    refuse_unseen,
    refused,
    sight,
    workload,
)

OWNED = {
    "labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "coder"},
    "annotations": {"meta.helm.sh/release-name": "coder", "meta.helm.sh/release-namespace": NAMESPACE},
}


def made(**changed: Any) -> Workload:
    """A Deployment that Helm made."""
    item = deployment(metadata=OWNED)
    item["spec"]["template"]["spec"] |= changed
    return workload(item)


def sealed(
    revision: int, status: str, values: Any, version: str = "1.44.3", said: str = ""
) -> dict[str, Any]:
    """A release as the cluster's door gives it."""
    return sealed_release(
        packed(
            {
                "name": "coder",
                "namespace": NAMESPACE,
                "version": revision,
                "config": values,
                "info": {"status": status, "description": said, "last_deployed": "2026-11-02T08:00:00Z"},
                "chart": {"metadata": {"name": "coder", "version": version}},
                "manifest": MANIFEST,
            }
        )
    )


MANIFEST = f"""
kind: Deployment
metadata: {{name: coderd}}
spec:
  template:
    metadata: {{labels: {{{LABEL}: coder}}}}
    spec:
      containers:
        - name: coderd
          image: acme.azurecr.io/coder/coderd:1.44
"""
GOOD = {"coderd": {"extraLabels": {LABEL: "coder"}, "replicas": 2}}


def cluster(*revisions: tuple[int, str, Any, str, str]) -> FakeCluster:
    """A cluster whose Secrets hold these revisions: number, status, values, chart and what Helm said."""
    secrets = [
        {
            "metadata": {
                "name": f"sh.helm.release.v1.coder.v{number}",
                "namespace": NAMESPACE,
                "labels": {"owner": "helm", "name": "coder", "status": status, "version": str(number)},
            },
            "release": sealed(number, status, values, version, said),
        }
        for number, status, values, version, said in revisions
    ]
    return FakeCluster({"secrets": secrets})


DEPLOYED = (1, "deployed", GOOD, "1.44.3", "")


def at(*revisions: tuple[int, str, Any, str, str]) -> Looking[HelmRelease]:
    """Look at the release."""
    return release(made(), cluster(*revisions), Target())


def fact(*revisions: tuple[int, str, Any, str, str]) -> HelmRelease:
    """The release as a fact."""
    found: HelmRelease = look(at(*(revisions or (DEPLOYED,))))[1]
    return found


CASES: dict[tuple[str, str], Case] = {
    ("release", "release-deployed"): lambda: at(DEPLOYED),
    ("release", "release-pending"): lambda: at(DEPLOYED, (2, "pending-upgrade", GOOD, "1.44.3", "")),
    ("release", "release-failed"): lambda: at(DEPLOYED, (2, "failed", GOOD, "1.44.3", "")),
    ("release", "release-of-one-version"): lambda: at(DEPLOYED, (2, "failed", GOOD, "1.44.3", "")),
    ("release", "release-rolled-back"): lambda: at((3, "deployed", GOOD, "1.44.3", "Rollback to 1")),
    ("release-values", "release-upgrade-as-documented"): lambda: release_values(made(), fact(), Target()),
    ("release-drift", "release-drift-changed"): lambda: drift(made(containers=[]), fact()),
    ("release-drift", "release-drift-added"): lambda: drift(made(serviceAccountName="other"), fact()),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some release."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


def test_the_revision_is_found_by_its_labels_and_only_it_is_read() -> None:
    """The Secrets are listed without what they hold; of many, those that matter are read."""
    door = cluster(*((number, "superseded", {}, "1.44.3", "") for number in range(1, 9)), (12, *DEPLOYED[1:]))
    _, found = look(release(made(), door, Target()))
    assert (found.newest["revision"], found.deployed["revision"]) == (12, 12)
    assert [asked for asked in door.asked if asked[0] == "get"] == [
        ("get", "secrets", NAMESPACE, "sh.helm.release.v1.coder.v12")
    ]


def test_of_a_failed_upgrade_the_values_are_those_that_were_tried() -> None:
    """What it failed for is in them; the pods are still of the revision before."""
    tried = {"coderd": {"extraLabels": {LABEL: 123}}}
    found = fact(DEPLOYED, (2, "failed", tried, "1.44.3", ""))
    values: ChartValues = look(release_values(made(), found, Target()))[1]
    assert values.tree == tried
    assert values.origin == "release coder (revision 2, failed)"
    assert found.deployed["revision"] == 1


def test_a_rollback_across_versions_is_not_offered() -> None:
    """Migrations are one-way: only within one version of the chart a rollback is a remedy."""
    seen = sight(at(DEPLOYED, (2, "failed", GOOD, "1.45.0", "")))
    assert "release-failed" in seen
    assert "release-of-one-version" not in seen


def test_what_the_documented_upgrade_drops_is_listed_by_key() -> None:
    """All but the label: the documentation's file holds nothing else, and its command reuses nothing."""
    values = {**GOOD, "postgres": {"host": "db", "default": {"enable": False}}}
    (seen,), _ = look(release_values(made(), fact((1, "deployed", values, "1.44.3", "")), Target()))
    assert seen.evidence["dropped"] == ["coderd.replicas", "postgres.host", "postgres.default.enable"]
    assert "in namespace default, where it is not (no -n)" in seen.text


@pytest.mark.parametrize(
    ("verb", "key"),
    [
        ("list", (SECRETS.plural, NAMESPACE)),
        ("get", (SECRETS.plural, NAMESPACE, "sh.helm.release.v1.coder.v1")),
    ],
)
def test_what_may_not_be_read_is_unknown_and_names_the_permission(verb: str, key: tuple[str, ...]) -> None:
    """To list the Secrets, and to read the one."""
    door = cluster(DEPLOYED)
    door.answers[key] = refused(SECRETS, NAMESPACE, verb)
    with pytest.raises(CannotLookError) as caught:
        look(release(made(), door, Target()))
    assert caught.value.permission is not None
    assert caught.value.permission.verb == verb


def test_a_release_that_is_kept_elsewhere_is_said_to_be() -> None:
    """In ConfigMaps, in SQL or by Helm 2: there is no Secret, and a command that asks Helm itself."""
    with pytest.raises(CannotLookError, match="keeps no Secret of release coder") as caught:
        look(release(made(), FakeCluster(), Target()))
    assert caught.value.remedy == "helm get values coder -n coder -o yaml"


@pytest.mark.parametrize("held", [{"release": {"problem": "it is cut off, or no JSON"}}, {"type": "Opaque"}])
def test_a_secret_that_holds_no_release_is_malformed(held: dict[str, Any]) -> None:
    """Nothing is guessed of it."""
    door = cluster(DEPLOYED)
    door.answers["secrets", NAMESPACE, "sh.helm.release.v1.coder.v1"] = Answer(Outcome.OK, held)
    with pytest.raises(CannotLookError, match="malformed: the Secret"):
        look(release(made(), door, Target()))


def test_a_workload_that_helm_did_not_make_has_no_release() -> None:
    """And the values of another chart than Coder's first are not looked at."""
    with pytest.raises(NotApplicableError):
        look(release(workload(), FakeCluster(), Target()))
    with pytest.raises(NotApplicableError):
        look(release_values(made(), fact((1, "deployed", {}, "2.20.1", "")), Target()))
    with pytest.raises(NotApplicableError):
        look(release_values(workload(deployment(metadata=OWNED), coder=False), fact(), Target()))


def test_an_untouched_deployment_does_not_differ() -> None:
    """Nothing is seen where the template is as it was rendered."""
    assert sight(drift(made(), fact())) == []


@pytest.mark.parametrize(
    ("spec", "labels", "what", "kind"),
    [
        ({"serviceAccountName": "x"}, {LABEL: "coder"}, "the service account", "release-drift-added"),
        ({"imagePullSecrets": [{"name": "x"}]}, {LABEL: "coder"}, "the pull secrets", "release-drift-added"),
        ({}, {}, f"the label {LABEL}", "release-drift-changed"),
        ({}, {LABEL: "other"}, f"the label {LABEL}", "release-drift-changed"),
        ({}, {LABEL: "coder", "x": "y"}, "the label x", "release-drift-added"),
    ],
)
def test_a_change_by_hand_is_told(spec: Any, labels: dict[str, str], what: str, kind: str) -> None:
    """What was changed or taken away Helm sets back; what was added it leaves."""
    item = deployment(labels, metadata=OWNED)
    item["spec"]["template"]["spec"] |= spec
    (seen,), _ = look(drift(workload(item), fact()))
    assert (seen.id, seen.values["what"]) == (kind, what)


def test_variables_are_compared_and_not_shown() -> None:
    """A value that the release hides is as good as any; one that is new is named only."""
    item = deployment(metadata=OWNED)
    env = [{"name": "SPLUNK_TOKEN", "value": "secret-of-today"}, {"name": "NEW", "value": "secret"}]
    item["spec"]["template"]["spec"]["containers"][0] |= {"name": "coderd", "env": env}
    found = fact()
    (rendered,) = found.deployed["deployments"]
    rendered["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "SPLUNK_TOKEN", "value": HIDDEN}]
    seen, _ = look(drift(workload(item), found))
    assert [item.text for item in seen] == [
        "the variable NEW of deployment/coderd is set, and not of the release"
    ]
    assert ids(seen) == ["release-drift-added"]
