"""`acrcheck cleanup` against an API server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.command import call
from tests.e2e.stub import only_the_version, serving


def pod(name: str, labels: dict[str, str], *containers: str) -> dict[str, Any]:
    """Describe a running pod of namespace coder, with ephemeral containers."""
    return {
        "metadata": {"name": name, "namespace": "coder", "labels": labels},
        "spec": {"ephemeralContainers": [{"name": container} for container in containers]},
        "status": {"phase": "Running"},
    }


OWN = {"app.kubernetes.io/managed-by": "acrcheck"}
PODS = [
    pod("acrcheck-0a1b2c3d", OWN),
    pod("acrcheck-impostor", {}),
    pod("coderd-1", {}, "acrcheck-4d5e6f70", "debugger"),
]


def answer(method: str, path: str) -> tuple[int, dict[str, Any]]:
    """List the pods; delete one."""
    if method == "DELETE":
        return 200, {"kind": "Status", "status": "Success"}
    if "/pods" in path:
        return 200, {"kind": "PodList", "items": PODS}
    return only_the_version(method, path)


def refuse(method: str, path: str) -> tuple[int, dict[str, Any]]:
    """List the pods; delete none."""
    if method == "DELETE":
        return 403, {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no"}
    return answer(method, path)


def test_shows_what_it_would_delete(tmp_path: Path) -> None:
    """Without --yes nothing is deleted, and what is nobody's is not shown."""
    with serving(answer) as stub:
        done = call("cleanup", "--kubeconfig", stub.kubeconfig(tmp_path))

    assert done.returncode == 0, done.stderr
    assert "acrcheck-0a1b2c3d" in done.stdout
    assert "would be deleted" in done.stdout
    assert "stays until its pod is replaced" in done.stdout
    assert "to delete: acrcheck cleanup --yes" in done.stdout
    assert "impostor" not in done.stdout
    assert "debugger" not in done.stdout
    assert not [request for request in stub.requests if not request.startswith("GET ")]


def test_deletes_pods_with_leave(tmp_path: Path) -> None:
    """An ephemeral container cannot be deleted: it is listed."""
    with serving(answer) as stub:
        done = call("cleanup", "--yes", "-o", "json", "--kubeconfig", stub.kubeconfig(tmp_path))

    assert done.returncode == 0, done.stderr
    assert [(row["pod"], row["result"]) for row in json.loads(done.stdout)["leftovers"]] == [
        ("acrcheck-0a1b2c3d", "deleted"),
        ("coderd-1", "stays until its pod is replaced"),
    ]
    assert [request.split("?")[0] for request in stub.requests if request.startswith("DELETE")] == [
        "DELETE /api/v1/namespaces/coder/pods/acrcheck-0a1b2c3d"
    ]


def test_says_what_could_not_be_deleted(tmp_path: Path) -> None:
    """A refusal is a failure."""
    with serving(refuse) as stub:
        done = call("cleanup", "--yes", "--kubeconfig", stub.kubeconfig(tmp_path))

    assert done.returncode == 1
    assert "not deleted: " in done.stdout


def test_nothing_is_left(tmp_path: Path) -> None:
    """An empty cluster is told so."""
    with serving(lambda *_: (200, {"items": []})) as stub:
        done = call("cleanup", "--kubeconfig", stub.kubeconfig(tmp_path))

    assert (done.returncode, done.stdout) == (0, "nothing is left\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_who_may_not_list_pods_knows_nothing(tmp_path: Path, form: str) -> None:
    """That is inconclusive, and the missing permission is named."""
    with serving() as stub:
        done = call("cleanup", "-n", "coder", "-o", form, "--kubeconfig", stub.kubeconfig(tmp_path))

    assert done.returncode == 3
    assert "cannot look: not permitted to list pods in namespace coder" in done.stdout + done.stderr
    assert "kubectl auth can-i list pods -n coder" in done.stdout + done.stderr
