"""The values that a release keeps: which release it is, and where in them things stand."""

from typing import Any

import pytest

from acrcheck.api import SECRETS, CannotLookError, Looking, Target, UsageError
from acrcheck.facts import ChartValues
from checks.valuesrelease import CHECKS, KEPT, kept
from tests.checks.looking import LABEL, NAMESPACE, Case, FakeCluster, declared, look, refuse_unseen, refused
from tests.checks.test_release import GOOD, cluster

VALUES = {
    "coderd": {"extraLabels": {LABEL: "coder"}, "note": "word " * 30},
    "postgres": {"password": "c4n4ry"},
}
DEPLOYED = (1, "deployed", VALUES, "1.44.3", "")
NAMED = Target(namespace=NAMESPACE, release="coder")


def at(*revisions: tuple[int, str, Any, str, str], target: Target = NAMED) -> Looking[ChartValues]:
    """Look at the release."""
    return kept(cluster(*revisions), target)


CASES: dict[tuple[str, str], Case] = {
    ("values-release", "values-of-release"): lambda: at(DEPLOYED),
    ("values-release", "release-deployed"): lambda: at(DEPLOYED),
    ("values-release", "release-pending"): lambda: at(DEPLOYED, (2, "pending-upgrade", GOOD, "1.44.3", "")),
    ("values-release", "release-failed"): lambda: at(DEPLOYED, (2, "failed", GOOD, "1.44.3", "")),
    ("values-release", "release-of-one-version"): lambda: at(DEPLOYED, (2, "failed", GOOD, "1.44.3", "")),
    ("values-release", "release-rolled-back"): lambda: at((3, "deployed", GOOD, "1.44.3", "Rollback to 1")),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some release."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """None is declared and never seen."""
    assert declared(CHECKS) == set(CASES)


def test_places_are_those_of_what_helm_prints() -> None:
    """Lines count what is not shown too, and that is in no line of them."""
    seen, values = look(at(DEPLOYED))
    (told,) = [item for item in seen if item.kind is KEPT]
    assert told.evidence["text"].splitlines() == [
        "coderd:",
        "  extraLabels:",
        f"    {LABEL}: coder",
        "  note: |",
        "    (not shown)",
        "postgres:",
        "  password: (not shown)",
    ]
    assert values.place(("coderd", "extraLabels", LABEL)) == "release coder:3:5"
    assert values.place(("postgres", "password")) == "release coder:7:3"
    assert (values.version, values.assumed) == ("1.44.3", False)


def test_the_newest_revision_is_read_as_helm_does() -> None:
    """`helm get values` prints it, whatever its status; while it is pending no upgrade is printed."""
    seen, values = look(at(DEPLOYED, (2, "pending-upgrade", GOOD, "1.44.3", "")))
    (told,) = [item for item in seen if item.kind is KEPT]
    assert "revision 2 (pending-upgrade)" in told.text
    assert values.tree == GOOD
    assert told.evidence["mend"] == [f"helm get values coder -n {NAMESPACE} -o yaml > values.yaml"]


def test_what_is_printed_for_an_upgrade_keeps_the_chart_and_hands_the_whole_file_on() -> None:
    """Never --reuse-values, and it names where it acts."""
    seen, _ = look(at(DEPLOYED, target=Target(namespace=NAMESPACE, context="prod")))
    (told,) = [item for item in seen if item.kind is KEPT]
    upgrade = told.evidence["mend"][-1]
    assert upgrade == (
        f"helm --kube-context prod upgrade coder coder/coder -n {NAMESPACE} --version 1.44.3 -f values.yaml"
    )


def several(*releases: tuple[str, str, str]) -> FakeCluster:
    """A cluster with releases: namespace, chart and version; each is called as its namespace."""
    secrets = []
    for where, called, version in releases:
        (item,) = cluster((1, "deployed", GOOD, version, "")).objects["secrets"]
        labels = item["metadata"]["labels"] | {"name": where}
        named = {"name": f"sh.helm.release.v1.{where}.v1", "namespace": where, "labels": labels}
        release = item["release"] | {"chart": {"name": called, "version": version}}
        secrets.append({"metadata": named, "release": release})
    return FakeCluster({"secrets": secrets})


def test_the_only_release_of_coders_chart_is_found_among_others() -> None:
    """Without a name, and without a namespace."""
    found = several(("db", "postgresql", "12.1.0"), ("dev", "coder", "1.33.0"), ("next", "coder", "2.9.0"))
    _, values = look(kept(found, Target()))
    assert (values.origin, values.version) == ("release dev", "1.33.0")


@pytest.mark.parametrize(
    ("releases", "said", "remedy"),
    [
        (
            [("dev", "coder", "1.33.0"), ("prod", "coder", "1.44.3")],
            "2 releases are of Coder's chart: dev/dev, prod/prod",
            "acrcheck values -n dev --release dev",
        ),
        (
            [("next", "coder", "2.9.0")],
            "whose values are known here: next/next of coder 2.9.0",
            "--release NAME",
        ),
        ([], "no Secret of Helm's in any namespace is of a release", "| acrcheck values -"),
    ],
)
def test_no_release_or_several_are_told_with_how_to_choose(
    releases: list[tuple[str, str, str]], said: str, remedy: str
) -> None:
    """Which there are, and the command that names one."""
    with pytest.raises(UsageError) as refusal:
        look(kept(several(*releases), Target()))
    assert said in refusal.value.message
    assert remedy in refusal.value.remedy


def test_who_may_not_read_secrets_is_told_the_permission() -> None:
    """Where all namespaces may not be listed, the one that the context points to is."""
    denied = FakeCluster(
        {}, {("secrets", ""): refused(SECRETS), ("secrets", "coder"): refused(SECRETS, "coder")}
    )
    with pytest.raises(CannotLookError, match="list secrets in namespace coder"):
        look(kept(denied, Target(context_namespace="coder")))


def test_a_release_that_cannot_be_unpacked_is_unknown() -> None:
    """It is not passed over: it may be the one that is meant."""
    broken = cluster(DEPLOYED)
    broken.objects["secrets"][0]["release"] = {"problem": "it is cut off, or no JSON"}
    with pytest.raises(CannotLookError, match="cut off"):
        look(kept(broken, NAMED))


def test_a_release_that_was_uninstalled_is_passed_over() -> None:
    """Its history may be kept."""
    with pytest.raises(UsageError, match="no Secret"):
        look(at((2, "uninstalled", GOOD, "1.44.3", ""), target=Target()))
