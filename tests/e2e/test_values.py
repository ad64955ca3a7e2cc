"""The installed command and the values of a release, as an API server gives its Secrets."""

import json
from pathlib import Path
from typing import Any

from acrcheck.helm.release import TYPE, packed
from tests.e2e.command import call
from tests.e2e.stub import Answering, serving

CANARY = "c4n4ry-7d21"
VALUES = {
    "aadpodidbinding": "coder-identity",
    "deploymentAnnotations": {"x": CANARY},
    "coderd": {"replicas": 2},
    "extraLabels": None,
}


def holding(values: Any) -> Answering:
    """An API server that has one release of Coder's chart, revision 7."""
    labels = {"owner": "helm", "name": "coder", "status": "deployed", "version": "7"}
    metadata = {"name": "sh.helm.release.v1.coder.v7", "namespace": "coder", "labels": labels}
    release = {
        "name": "coder",
        "namespace": "coder",
        "version": 7,
        "config": values,
        "info": {"status": "deployed"},
        "chart": {"metadata": {"name": "coder", "version": "1.44.3"}},
    }
    secret = {"metadata": metadata, "type": TYPE, "data": {"release": packed(release)}}

    def answer(_: str, path: str) -> tuple[int, dict[str, Any]]:
        if "/secrets/" in path:
            return 200, secret
        items = [{"metadata": metadata}] if "/secrets" in path else []
        return 200, {"kind": "List", "metadata": {}, "items": items}

    return answer


def test_the_release_is_linted_where_no_file_is_given(tmp_path: Path) -> None:
    """Its revision, the places in what helm prints, what mends it; nothing secret."""
    with serving(holding(VALUES)) as stub:
        kubeconfig = stub.kubeconfig(tmp_path)
        text = call("values", "-n", "coder", "--kubeconfig", kubeconfig)
        report = call("values", "-n", "coder", "--kubeconfig", kubeconfig, "-o", "json")
    assert (text.returncode, report.returncode) == (1, 1)
    assert text.stdout.startswith(
        "release coder in namespace coder, revision 7 (deployed), chart 1.44.3; lines are"
    )
    assert "\nrelease coder:1:1: fail: aadpodidbinding stands at the top level" in text.stdout
    assert "upgrade coder coder/coder -n coder --version 1.44.3 -f values.yaml" in text.stdout
    assert "--reuse-values" not in text.stdout
    assert CANARY not in text.stdout + text.stderr + report.stdout + report.stderr
    seen = [
        item
        for category in json.loads(report.stdout)["categories"]
        for check in category["checks"]
        for item in check["evidence"]
    ]
    assert {"values-of-release", "values-label-misplaced"} <= {item["id"] for item in seen}


def test_the_patch_is_for_what_helm_prints(tmp_path: Path) -> None:
    """Lines that hold what is not shown are left out, and told; how it is applied is told beside it."""
    with serving(holding(VALUES)) as stub:
        done = call("values", "--fix", "-n", "coder", "--kubeconfig", stub.kubeconfig(tmp_path))
    assert done.returncode == 1
    assert done.stdout.startswith("--- values.yaml\n+++ values.yaml\n@@ ")
    assert "-aadpodidbinding: coder-identity\n" in done.stdout
    assert "is left as it is: its lines hold what is not shown" in done.stderr
    assert "get values coder -n coder -o yaml > values.yaml" in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_sound_release_exits_with_zero(tmp_path: Path) -> None:
    """And it says what the pods get."""
    sound = {"coderd": {"extraLabels": {"aadpodidbinding": "coder"}, "replicas": 2}}
    with serving(holding(sound)) as stub:
        done = call("values", "--release", "coder", "--kubeconfig", stub.kubeconfig(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nsound\n")


def test_a_release_that_may_not_be_read_is_unknown(tmp_path: Path) -> None:
    """Exit code 3, with the permission and the question that asks for it."""
    with serving() as stub:
        done = call("values", "-n", "coder", "--kubeconfig", stub.kubeconfig(tmp_path))
    assert done.returncode == 3
    assert "not permitted to list secrets in namespace coder" in done.stdout
    assert "auth can-i list secrets -n coder" in done.stdout
    assert done.stdout.endswith("\nunknown\n")
