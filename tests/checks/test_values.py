"""The chart's values, from files."""

from typing import Any

import pytest

from acrcheck.api import Looking, Target
from acrcheck.facts import ChartValues
from acrcheck.helm.files import together
from acrcheck.helm.yamltext import read
from checks import values as about
from checks import valuesfiles
from tests.checks.looking import LABEL, Case, declared, ids, look, refuse_unseen, sight

CHECKS = (*about.CHECKS, *valuesfiles.CHECKS)
SEED = "extraLabels:\naadpodidbinding: coder-identity\n"
PROXY = "coderd: {proxy: {http: 'http://user:pass@proxy:3128'"


def given(text: str, version: str = "1.44.3", *settings: str) -> ChartValues:
    """Values as the files' check gives them."""
    found = together([read(text, "v.yaml")], settings, chart_version=version)
    fact: ChartValues = look(valuesfiles.files(Target(values=found)))[1]
    return fact


def in_files(text: str) -> Looking[ChartValues]:
    """Look at a file itself."""
    return valuesfiles.files(Target(values=together([read(text, "v.yaml")])))


CASES: dict[tuple[str, str], Case] = {
    ("values-label", "values-label-misplaced"): lambda: about.label(given(SEED)),
    ("values-label", "values-label-stray"): lambda: about.label(
        given("coderd: {extraLabels: {aadpodidbinding: x}}\naadpodidbinding: x\n")
    ),
    ("values-label", "values-extra-labels-empty"): lambda: about.label(given("coderd:\n  extraLabels:\n")),
    ("values-label", "values-extra-labels-no-map"): lambda: about.label(given("coderd: {extraLabels: [a]}")),
    ("values-label", "values-label-not-text"): lambda: about.label(
        given("coderd: {extraLabels: {aadpodidbinding: 0755}}")
    ),
    ("values-label", "values-label-wrong-case"): lambda: about.label(
        given("coderd: {extraLabels: {aadPodIdBinding: x}}")
    ),
    ("values-label", "values-label-invalid"): lambda: about.label(
        given("coderd: {extraLabels: {aadpodidbinding: 'a b'}}")
    ),
    ("values-label", "values-label-of-selector"): lambda: about.label(
        given("coderd: {extraLabels: {coder.deployment: x}}")
    ),
    ("values-label", "values-label-not-read"): lambda: about.label(
        given("coderd: {extraLabels: {aadpodidbinding: x}}", "1.25.3")
    ),
    ("values-label", "values-labelled"): lambda: about.label(
        given("coderd: {extraLabels: {aadpodidbinding: x}}")
    ),
    ("values-keys", "values-key-not-read"): lambda: about.keys(
        given("coderd: {imagePullSecret: x}", "1.33.0")
    ),
    ("values-keys", "values-key-removed"): lambda: about.keys(given("cemanager: {image: x}")),
    ("values-keys", "values-key-deprecated"): lambda: about.keys(given("serviceType: NodePort", "1.26.0")),
    ("values-keys", "values-of-coder-2"): lambda: about.keys(given("coder: {podLabels: {}}")),
    ("values-keys", "values-trust-proxy"): lambda: about.keys(given("coderd: {trustProxyIP: true}")),
    ("values-proxy", "values-proxy-covers-imds"): lambda: about.proxy(given(PROXY + "}}"), Target()),
    ("values-proxy", "values-proxy-covers-registry"): lambda: about.proxy(
        given(PROXY + "}}"), Target(registry="team.azurecr.io")
    ),
    ("values-shapes", "values-wrong-shape"): lambda: about.shapes(given("coderd: {imagePullSecret: [x]}")),
    ("values-shapes", "values-certificate-half"): lambda: about.shapes(given("certs: {secret: {name: x}}")),
    ("values-cloud", "values-arm-endpoint-missing"): lambda: about.cloud(
        given("coderd: {image: team.azurecr.us/coder/coderd:1}"), Target()
    ),
    ("values-keys", "values-made"): lambda: about.keys(given("")),
    ("values-keys", "values-image-of-other-version"): lambda: about.keys(
        given("envbox: {image: 'docker.io/coderenvs/envbox:1.43.0'}")
    ),
    ("values-files", "values-key-twice"): lambda: in_files("a: 1\na: 2\n"),
    ("values-files", "values-second-document"): lambda: in_files("a: 1\n---\nb: 2\n"),
    ("values-files", "values-template"): lambda: in_files("a: '{{ .x }}'\n"),
}


@pytest.mark.parametrize(("check", "kind"), sorted(CASES))
def test_a_declared_observation_is_seen(check: str, kind: str) -> None:
    """Each kind that a check declares is what it sees in some file."""
    refuse_unseen(CHECKS, check, kind, CASES[check, kind])


def test_every_declared_observation_has_a_case() -> None:
    """No kind is declared that nothing shows."""
    assert set(CASES) == declared(CHECKS)


@pytest.mark.parametrize(
    ("text", "path", "value", "documented"),
    [
        (SEED, "the top level", "coder-identity", True),
        ("extraLabels:\n  aadpodidbinding: x\n", "extraLabels.aadpodidbinding", "x", False),
        ("coderd:\n  extraLabels:\n  aadpodidbinding: x\n", "coderd.aadpodidbinding", "x", False),
        ("coder:\n  podLabels:\n    aadpodidbinding: x\n", "coder.podLabels.aadpodidbinding", "x", False),
        ("aadpodidbinding: 0755\n", "the top level", "0755", False),
    ],
)
def test_a_label_that_no_pod_gets_is_told_with_the_change_that_mends_it(
    text: str, path: str, value: str, *, documented: bool
) -> None:
    """Wherever it stands, and the documentation's own snippet is known by its two mistakes."""
    (seen,), _ = look(about.label(given(text)))
    assert (seen.values["path"], seen.values["selector"]) == (path, value)
    assert seen.evidence["instead"].splitlines()[:2] == ["coderd:", "  extraLabels:"]
    assert seen.evidence["edits"]
    assert ("documentation" in seen.text) is documented


def test_other_labels_at_the_top_level_have_no_effect_either() -> None:
    """They are moved to where the chart reads them."""
    (seen,), _ = look(about.label(given("extraLabels: {team: x}")))
    assert seen.id == "values-label-stray"
    assert seen.evidence["edits"][0]["to"] == ["coderd", "extraLabels", "team"]


@pytest.mark.parametrize("text", ["aadpodidbinding: '$(reboot)'\n", "'a b': {aadpodidbinding: x}\n"])
def test_what_a_shell_would_obey_is_not_printed_as_it_stands(text: str) -> None:
    """Keys and values come from a file: a command is made of them only where they are harmless."""
    (seen, *_), _ = look(about.label(given(text)))
    assert "$(" not in seen.values["selector"]
    assert "a b.aadpodidbinding" not in seen.values["unset"].replace("'a b.aadpodidbinding=null'", "")


def test_the_place_is_that_of_the_key() -> None:
    """File, line and column, also as numbers."""
    (seen,), _ = look(about.label(given(SEED)))
    assert seen.text.startswith("v.yaml:2:1: aadpodidbinding stands at the top level")
    assert seen.evidence["place"] == {"file": "v.yaml", "line": 2, "column": 1}


@pytest.mark.parametrize(
    ("value", "what"),
    [("123", "number"), ("true", "boolean"), ("on", "boolean"), ("", "null"), ("1", "number")],
)
def test_a_label_that_is_no_text_is_quoted(value: str, what: str) -> None:
    """What YAML takes for a number, a boolean or null, the API server refuses."""
    (seen,), _ = look(about.label(given(f"coderd:\n  extraLabels:\n    x: {value}\n")))
    assert (seen.id, seen.values["what"]) == ("values-label-not-text", what)
    assert seen.evidence["edits"] == [{"op": "quote", "at": ["coderd", "extraLabels", "x"]}]
    assert (seen.values["value"], seen.values["instead"]) != ("true", '"1"')


def test_a_setting_of_set_is_no_text_and_set_string_is() -> None:
    """`--set` makes a number of digits; `--set-string` is what to write."""
    path = f"coderd.extraLabels.{LABEL}=123"
    assert sight(about.label(given("", "1.44.3", path))) == ["values-label-not-text"]


@pytest.mark.parametrize(
    ("exempt", "seen"),
    [
        ("cluster.local", True),
        ("cluster.local,169.254.169.254", False),
        ("10.0.0.0/8, 169.254.0.0/16", False),
        ("*", False),
        ("", True),
        ("169.254.169.254:80", False),
        ("9.254.169.254", True),
    ],
)
def test_the_proxys_exemptions_are_read_as_go_reads_them(exempt: str, *, seen: bool) -> None:
    """Addresses, networks, ports and the asterisk; the address that is missing is added to what there is."""
    found, _ = look(about.proxy(given(f"{PROXY}, exempt: '{exempt}'}}}}"), Target()))
    assert [item.id for item in found] == (["values-proxy-covers-imds"] if seen else [])
    if seen:
        assert found[0].values["exempt"] == f"{exempt},169.254.169.254".strip(",")


def test_a_proxys_password_is_not_shown() -> None:
    """The URL is quoted without its credentials."""
    seen, _ = look(about.proxy(given(PROXY + "}}"), Target(registry="team.azurecr.io")))
    assert "pass@" not in " ".join(item.text + str(item.evidence) for item in seen)


def test_https_through_a_proxy_leaves_token_requests_alone() -> None:
    """IMDS is asked over plain HTTP: a proxy for HTTPS alone never sees it."""
    assert sight(about.proxy(given("coderd: {proxy: {https: 'http://p'}}"), Target())) == []


@pytest.mark.parametrize(
    ("version", "kind", "effect"),
    [
        ("1.26.0", "values-key-deprecated", "names the Deployment cemanager"),
        ("1.27.0", "values-key-removed", "does not read it"),
        ("1.28.0", "values-key-removed", "the chart fails"),
    ],
)
def test_what_an_old_key_does_is_told_by_version(version: str, kind: str, effect: str) -> None:
    """It still works, is passed over, or makes the upgrade fail."""
    (seen, _), _ = look(about.keys(given("cemanager:\n  image: x\n", version)))
    assert seen.id == kind
    assert effect in seen.text
    assert seen.evidence["edits"] == [{"op": "move", "from": ["cemanager"], "to": ["coderd"]}]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("coderd: {extraEnvs: {AZURE_ARM_ENDPOINT: x}}", "coderd.extraEnvs"),
        ("coderd: {extraEnvs: [{AZURE_ARM_ENDPOINT: x}]}", "coderd.extraEnvs[0]"),
        ("coderd: {extraEnvs: [{name: X, value: 5}]}", "coderd.extraEnvs[0].value"),
        (
            "coderd: {builtinProviderServiceAccount: {annotations: {a: true}}}",
            "coderd.builtinProviderServiceAccount.annotations.a",
        ),
        ("coderd: {image: 5}", "coderd.image"),
    ],
)
def test_a_shape_that_the_chart_cannot_use_is_told(text: str, key: str) -> None:
    """What would be refused, or written into a pod as something else."""
    (seen,), _ = look(about.shapes(given(text)))
    assert (seen.id, seen.values["key"]) == ("values-wrong-shape", key)


def test_a_sovereign_cloud_wants_its_endpoint() -> None:
    """With it, or in the public cloud, there is nothing to say."""
    text = "coderd: {image: t.azurecr.us/c:1, extraEnvs: [{name: AZURE_ARM_ENDPOINT, value: x}]}"
    assert sight(about.cloud(given(text), Target())) == []
    assert sight(about.cloud(given(""), Target(registry="t.azurecr.io"))) == []
    (seen,), _ = look(about.cloud(given(""), Target(cloud="usgov")))
    assert seen.values["endpoint"] == "https://management.core.usgovcloudapi.net/"


def test_sound_values_have_nothing_against_them() -> None:
    """Values as they should be: no check fails or warns."""
    text = (
        "coderd:\n  extraLabels: {aadpodidbinding: coder-identity}\n  imagePullSecret: pull\n"
        "  proxy: {http: 'http://p', exempt: 'cluster.local,169.254.169.254,t.azurecr.io'}\n"
        "certs: {secret: {name: ca, key: ca.crt}}\n"
    )
    found = given(text)
    target = Target(registry="t.azurecr.io")
    seen: list[Any] = [
        *ids(look(about.label(found))[0]),
        *sight(about.keys(found)),
        *sight(about.proxy(found, target)),
        *sight(about.shapes(found)),
        *sight(about.cloud(found, target)),
    ]
    assert seen == ["values-labelled", "values-made"]
