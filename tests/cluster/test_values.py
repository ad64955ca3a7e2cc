"""Helm's values: what the real helm makes of them, and releases on the real cluster, mended by what is printed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from acrcheck.errors import UsageError
from acrcheck.helm.printed import printed
from acrcheck.helm.release import TYPE, packed, unpacked
from acrcheck.helm.setting import applied
from acrcheck.helm.yamltext import read
from tests.cluster import podidentity
from tests.cluster.harness import Cluster, Json, must
from tests.cluster.place import EXEC, OBJECTS, READING, Place, operator
from tests.cluster.product import Product
from tests.unit.helm.table import BASE, FILES, REFUSED, SETTINGS, WRONG_SETTINGS

RELEASE = ("coder", "coder/coder", "--version", "1.44.3")


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart that prints its values as JSON."""
    folder = tmp_path_factory.mktemp("values")
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: values\nversion: 1.0.0\n")
    (folder / "templates" / "values.yaml").write_text("{{ toJson .Values }}")
    return folder


def helms(cluster: Cluster, chart: Path, text: str, *settings: str) -> Any:
    """What the real helm makes of a values file; None where it refuses it."""
    file = chart.parent / "given.yaml"
    file.write_bytes(text.encode())
    done = cluster.helm("template", "x", str(chart), "-f", str(file), *settings)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, and of the same types: numbers as JSON has them."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, int | float) and not isinstance(one, bool):
        return isinstance(other, int | float) and not isinstance(other, bool) and float(one) == float(other)
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("text", FILES)
def test_files_are_read_as_helm_reads_them(cluster: Cluster, chart: Path, text: str) -> None:
    """Every value of the table, with its type."""
    assert same(read(text, "v").values, helms(cluster, chart, text))


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused_helm_refuses_too(cluster: Cluster, chart: Path, text: str) -> None:
    """Nothing that helm would take is called malformed."""
    with pytest.raises(UsageError):
        read(text, "v")
    assert helms(cluster, chart, text) is None


@pytest.mark.parametrize("option", ["--set", "--set-string"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_are_taken_as_helm_takes_them(
    cluster: Cluster, chart: Path, setting: str, option: str
) -> None:
    """Commas, escapes, lists, indexes, nulls and types."""
    ours = applied(read(BASE, "v").values, setting, as_text=option == "--set-string")
    assert same(ours, helms(cluster, chart, BASE, option, setting))


@pytest.mark.parametrize("setting", WRONG_SETTINGS)
def test_settings_that_are_refused_helm_refuses_too(cluster: Cluster, chart: Path, setting: str) -> None:
    """The message is ours, the verdict helm's."""
    with pytest.raises(UsageError):
        applied(read(BASE, "v").values, setting)
    assert helms(cluster, chart, BASE, "--set", setting) is None


PRINTED = {
    "a10": 1,
    "a2": {"y": "no", "list": [{"pem": "x\ny\n", "name": "word " * 40}, [], ["z\n\n"]]},
    "A": "a \nb",
    "_": {"0a": 1, "00": 2, "2": "0755", "10": 1.5e30},
    "long": " ".join(["word:"] * 60),
    "on": None,
    "é": "{{ x }}",
}


def test_values_are_printed_as_helm_prints_them(cluster: Cluster, tmp_path: Path) -> None:
    """Each key stands on the same line and in the same column, whatever is long or of several lines."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: values\nversion: 1.0.0\n")
    (tmp_path / "templates" / "values.yaml").write_text("{{ toYaml .Values }}")
    (tmp_path / "given.json").write_text(json.dumps(PRINTED))
    done = must(cluster.helm("template", "x", str(tmp_path), "-f", str(tmp_path / "given.json")))
    helms_own = done.stdout.split("\n", 2)[2].rstrip("\n") + "\n"
    assert read(printed(PRINTED), "v").places == read(helms_own, "v").places


@pytest.fixture(scope="module")
def nmi(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with NMI."""
    podidentity.install(cluster)
    yield cluster
    podidentity.remove(cluster)


@pytest.fixture
def place(nmi: Cluster, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A namespace with an identity and its binding, for a release."""
    name = request.node.name.removeprefix("test_")[:24].replace("_", "-").strip("-")
    place = Place(nmi, f"values-{name}".strip("-"))
    place.make_identity()
    place.bind()
    yield place
    place.remove()


def install(place: Place, values: str, *, verb: str = "install") -> None:
    """Install or upgrade the release with a values file."""
    file = place.cluster.layout.state / f"{place.namespace}.yaml"
    file.write_text(values)
    must(place.cluster.helm(verb, *RELEASE, "-n", place.namespace, "-f", str(file), "--wait"))


def causes(run: Any) -> list[str]:
    """The causes that a run names, but for the retirement that every world has."""
    return [item["id"] for item in run.causes if item["id"] != "pod-identity-unsupported"]


def remedy(run: Any, cause: str, name: str) -> str:
    """The command that a run printed."""
    (found,) = [
        item["command"]
        for each in run.causes
        if each["id"] == cause
        for item in each["remedies"]
        if item["id"] == name
    ]
    command: str = found
    return command


def applied_verbatim(place: Place, command: str) -> None:
    """Run a printed command as it stands."""
    must(place.cluster.run("bash", "-c", command, limit=300))


def revisions(place: Place) -> Sequence[Json]:
    """The Secrets of the release."""
    items: list[Json] = place.cluster.get("secrets", "-n", place.namespace, "-l", "owner=helm,name=coder")[
        "items"
    ]
    return items


def test_seed_is_mended(product: Product, place: Place) -> None:
    """The documentation's snippet, installed as it stands: the verdict, and the printed command mends it."""
    cluster = place.cluster
    install(place, f"extraLabels:\naadpodidbinding: {place.selector}\n")
    before = product.run(cluster, "seed-before", "-n", place.namespace)
    assert causes(before)[:1] == ["values-label-misplaced"]
    assert "documentation's snippet" in before.stdout
    applied_verbatim(place, remedy(before, "values-label-misplaced", "helm"))
    place.settle()
    after = product.run(cluster, "seed-after", "-n", place.namespace)
    assert (causes(after), after.code) == ([], 0)
    kept = json.loads(
        must(cluster.helm("get", "values", "coder", "-n", place.namespace, "-o", "json")).stdout
    )
    assert kept == {"coderd": {"extraLabels": {"aadpodidbinding": place.selector}}, "extraLabels": None}


def test_fix_is_deployed(product: Product, place: Place) -> None:
    """The patched file, deployed: the pods get the label that the values had at the wrong place."""
    file = place.cluster.layout.state / "patched.yaml"
    file.write_text(f"# ours\nextraLabels:\naadpodidbinding: {place.selector}\n")
    assert product.call(place.cluster, "values", "--write", str(file)).returncode == 1
    file.with_name("patched.yaml.orig").unlink()
    assert product.call(place.cluster, "values", str(file)).returncode == 0
    install(place, file.read_text())
    labels = place.cluster.get("deployment", "coderd", "-n", place.namespace)["spec"]["template"]["metadata"][
        "labels"
    ]
    assert labels["aadpodidbinding"] == place.selector


def test_values_of_the_release(product: Product, place: Place) -> None:
    """Linted where they are kept: places of what helm prints, a patch that fits it, commands that mend the release."""
    cluster, state = place.cluster, place.cluster.layout.state
    install(
        place,
        f"extraLabels:\naadpodidbinding: {place.selector}\npassword: c4n4ry-values\nnote: |\n"
        + "  word\n" * 5,
    )
    words = ("values", "--kubeconfig", str(cluster.kubeconfig), "-n", place.namespace)
    found = product.call(cluster, *words)
    assert found.returncode == 1
    assert "revision 1 (deployed), chart 1.44.3" in found.stdout
    assert "release coder:1:1: fail: aadpodidbinding stands at the top level" in found.stdout
    fixed = product.call(cluster, *words, "--fix", "--release", "coder")
    assert fixed.returncode == 1
    assert "c4n4ry" not in found.stdout + found.stderr + fixed.stdout + fixed.stderr
    file = state / "values.yaml"
    get, _, upgrade = (line.strip() for line in fixed.stderr.splitlines()[-3:])
    must(cluster.run("bash", "-c", f"cd {state} && {get}"))
    must(cluster.run("patch", str(file), stdin=fixed.stdout))
    assert "password: c4n4ry-values" in file.read_text()
    must(cluster.run("bash", "-c", f"cd {state} && {upgrade} --wait", limit=300))
    mended = product.call(cluster, *words)
    assert (mended.returncode, mended.stdout.splitlines()[-1]) == (0, "sound")
    assert "revision 2 (deployed)" in mended.stdout
    assert product.call(cluster, *words, "--write").returncode == 2


def test_number(product: Product, place: Place) -> None:
    """A label that is a number: the API server refuses the upgrade, and both are named."""
    install(place, "coderd: {replicas: 1}\n")
    broken = place.cluster.helm(
        "upgrade", *RELEASE, "-n", place.namespace, "--set", "coderd.extraLabels.x=123"
    )
    assert broken.returncode != 0
    run = product.run(place.cluster, "number", "-n", place.namespace)
    assert {"values-label-refused", "release-not-deployed"} <= set(causes(run))
    assert "revision 2, failed" in run.stdout


def test_pending_and_back(product: Product, place: Place) -> None:
    """An upgrade that was stopped: named, and the printed rollback ends it."""
    good = f"coderd: {{extraLabels: {{aadpodidbinding: {place.selector}}}}}\n"
    install(place, good)
    # What a helm that was killed leaves: the newest revision is pending. Its status stands in the Secret twice.
    install(place, good, verb="upgrade")
    newest = max(revisions(place), key=lambda item: int(item["metadata"]["labels"]["version"]))
    first = min(revisions(place), key=lambda item: int(item["metadata"]["labels"]["version"]))
    _restate(place, newest, "pending-upgrade")
    _restate(place, first, "deployed")
    before = product.run(place.cluster, "pending", "-n", place.namespace)
    assert causes(before) == ["release-not-deployed"]
    blocked = place.cluster.helm("upgrade", *RELEASE, "-n", place.namespace, "--reuse-values")
    assert "another operation" in blocked.stderr
    applied_verbatim(place, remedy(before, "release-not-deployed", "rollback"))
    after = product.run(place.cluster, "rolled-back", "-n", place.namespace)
    assert (causes(after), after.code) == ([], 0)
    assert "is a rollback to 1" in after.stdout


def _restate(place: Place, secret: Json, status: str) -> None:
    """Write another status into a release's Secret, as helm would."""
    release = unpacked(secret["data"]["release"])
    release["info"]["status"] = status
    data = {"release": packed(release)}
    labels = {**secret["metadata"]["labels"], "status": status}
    place.make(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": TYPE,
            "metadata": {"name": secret["metadata"]["name"], "namespace": place.namespace, "labels": labels},
            "data": data,
        }
    )


def test_by_hand(product: Product, place: Place) -> None:
    """What kubectl changed is told, and helm sets back what it had rendered and leaves what was added."""
    install(place, "coderd: {replicas: 1}\n")
    labels = {"aadpodidbinding": place.selector, "app": "changed"}
    patch = json.dumps({"spec": {"template": {"metadata": {"labels": labels}}}})
    place.kubectl("patch", "deployment/coderd", "--type", "merge", "-p", patch)
    place.settle()
    run = product.run(place.cluster, "by-hand", "-n", place.namespace)
    assert causes(run) == ["release-drift"]
    install(place, "coderd: {replicas: 1}\n", verb="upgrade")
    now = place.cluster.get("deployment", "coderd", "-n", place.namespace)["spec"]["template"]["metadata"][
        "labels"
    ]
    assert (now["app"], now.get("aadpodidbinding")) == ("coderd", place.selector)


def test_unreadable(product: Product, place: Place) -> None:
    """Who may not list Secrets is told the permission; nothing is called wrong for it."""
    install(place, f"coderd: {{extraLabels: {{aadpodidbinding: {place.selector}}}}}\n")
    allowed = [rule for rule in READING if "secrets" not in rule["resources"]]
    path, token = operator(place, *allowed, EXEC, OBJECTS)
    run = product.run(place.cluster, "unreadable", "-n", place.namespace, kubeconfig=path)
    (release,) = [check for check in run.checks if check["id"] == "release"]
    assert (release["status"], release["missingPermission"]) == (
        "unknown",
        f"list secrets in namespace {place.namespace}",
    )
    assert "values-label-misplaced" not in causes(run)
    assert token not in run.stdout + run.text
    linted = product.call(place.cluster, "values", "--kubeconfig", str(path), "-n", place.namespace)
    assert linted.returncode == 3
    assert f"not permitted to list secrets in namespace {place.namespace}" in linted.stdout
