"""What Coder's chart makes of values, version by version."""

from typing import Any

import pytest

from checks import chart
from tests.checks.looking import LABEL, deployment

LABELLED: dict[str, Any] = {"coderd": {"extraLabels": {LABEL: "coder"}}}


@pytest.mark.parametrize(
    ("values", "version", "label"),
    [
        (LABELLED, "1.25.0", None),
        (LABELLED, "1.26.0", "coder"),
        (LABELLED, "1.44.3", "coder"),
        ({"extraLabels": None, LABEL: "coder"}, "1.44.3", None),
        ({"extraLabels": {LABEL: "coder"}}, "1.44.3", None),
        ({"coderd": {"extraLabels": None, LABEL: "coder"}}, "1.44.3", None),
        ({"coderd": {"extraLabels": "coder"}}, "1.44.3", None),
        ({"coderd": {"extraLabels": {LABEL: 123}}}, "1.44.3", 123),
    ],
)
def test_only_a_map_of_extra_labels_under_coderd_reaches_the_pods_since_1_26(
    values: dict[str, Any], version: str, label: object
) -> None:
    """The label is where the chart puts it, and nowhere else, whatever the values are."""
    assert chart.rendered(values, version).labels.get(LABEL) == label


@pytest.mark.parametrize(
    ("version", "values", "name"),
    [
        ("1.19.2", {}, "cemanager"),
        ("1.21.0", {}, "coderd"),
        ("1.26.1", {"cemanager": {"replicas": 2}}, "cemanager"),
        ("1.27.0", {"cemanager": {"replicas": 2}}, "coderd"),
    ],
)
def test_the_deployment_has_the_name_of_its_time(version: str, values: dict[str, Any], name: str) -> None:
    """Charts before 1.27 call the control plane cemanager where the values still do."""
    made = chart.rendered(values, version)
    assert (made.name, made.labels[chart.SELECTOR_LABEL]) == (name, name)


def test_labels_of_the_pods_are_those_of_the_version() -> None:
    """The labels that others select by have changed twice."""
    assert set(chart.rendered({}, "1.21.3").labels) == {"coder.deployment"}
    assert chart.rendered({}, "1.26.0").labels["app.kubernetes.io/name"] == "coderd"
    newer = chart.rendered({}, "1.27.0", release="prod").labels
    assert (newer["app.kubernetes.io/name"], newer["app.kubernetes.io/instance"]) == ("coder", "prod")


def test_proxy_environment_and_pull_secret_come_with_their_versions() -> None:
    """A value that the chart does not read yet makes nothing, and one that it reads has its default."""
    values = {
        "coderd": {
            "proxy": {"http": "http://proxy:3128"},
            "extraEnvs": [
                {"name": "AZURE_ARM_ENDPOINT", "value": "https://x/"},
                {"name": "S", "valueFrom": {}},
            ],
            "imagePullSecret": "pull",
        }
    }
    old = chart.rendered(values, "1.26.1")
    assert (old.env, old.pull_secrets) == ({}, ())
    new = chart.rendered(values, "1.34.0")
    assert new.pull_secrets == ("pull",)
    assert new.env == {
        "http_proxy": "http://proxy:3128",
        "https_proxy": "",
        "no_proxy": "cluster.local",
        "AZURE_ARM_ENDPOINT": "https://x/",
        "S": None,
    }


def test_images_are_those_of_the_values_then_of_the_charts_defaults_then_of_its_version() -> None:
    """Defaults of another chart are what `--reuse-values` would keep: they name old images."""
    assert chart.rendered({}, "1.44.3").images == {
        "coderd": "docker.io/coderenvs/coder-service:1.44.3",
        "envbox": "docker.io/coderenvs/envbox:1.44.3",
        "timescale": "docker.io/coderenvs/timescale:1.44.3",
    }
    defaults = {"coderd": {"image": "docker.io/coderenvs/coder-service:1.43.0"}, "envbox": {"image": "e:1"}}
    own = {"envbox": {"image": "mirror.example/envbox:1"}, "postgres": {"default": {"enable": False}}}
    assert chart.rendered(own, "1.44.3", defaults=defaults).images == {
        "coderd": "docker.io/coderenvs/coder-service:1.43.0",
        "envbox": "mirror.example/envbox:1",
    }


def test_a_satellite_has_no_service_account_and_no_database() -> None:
    """In satellite mode the chart names no service account."""
    made = chart.rendered({"coderd": {"satellite": {"enable": True}}}, "1.44.3")
    assert made.service_account == ""
    assert "timescale" not in made.images
    assert chart.rendered({}, "1.44.3").service_account == "coder"


def test_charts_since_1_28_refuse_the_keys_that_were_removed() -> None:
    """An old key that holds something makes the chart fail; an empty one does not."""
    values = {"cemanager": {"image": "x"}, "serviceType": "", "ingress": {"tls": {"hostSecretName": "tls"}}}
    assert chart.rendered(values, "1.27.0").refused == ()
    assert chart.rendered(values, "1.28.0").refused == ("cemanager", "ingress.tls.hostSecretName")


def test_a_deployment_is_read_as_it_would_be_rendered() -> None:
    """What stands in the cluster can be laid beside what the values make."""
    item = deployment({LABEL: "coder"})
    item["spec"]["template"]["spec"] |= {
        "serviceAccountName": "coder",
        "imagePullSecrets": [{"name": "pull"}],
    }
    seen = chart.deployed(item)
    assert (seen.name, seen.labels, seen.service_account) == ("coderd", {LABEL: "coder"}, "coder")
    assert (seen.pull_secrets, seen.images) == (("pull",), {"coderd": "acme.azurecr.io/coder/coderd:1.44"})


def test_what_is_no_version_is_refused() -> None:
    """A version that cannot be read is not guessed."""
    with pytest.raises(ValueError, match="latest"):
        chart.rendered({}, "latest")
