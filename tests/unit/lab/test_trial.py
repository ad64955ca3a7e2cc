"""Pulls that are tried in a lab world."""

import pytest

from acrcheck.cluster.reader import NODES, PODS, Answer, Outcome, Pull
from acrcheck.lab import faults
from acrcheck.lab.azure import Account
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.faults import PULL_SECRET, WORKER_NODE, Fault
from acrcheck.lab.machines import PullSecret
from acrcheck.lab.trial import permissions
from acrcheck.lab.waiting import kubelet_may_pull
from acrcheck.lab.world import HOST, IMAGE, NAMESPACE, Forbidden, World, healthy
from acrcheck.model import Permission

LEAVE = faults.target(allow=frozenset({"probe-pod"}))
QUESTION = Pull(NAMESPACE, IMAGE, WORKER_NODE)


def tried(*changes: Fault, question: Pull = QUESTION) -> Answer:
    """Try a pull in a world with leave, of which nothing is left."""
    world = faults.broken(healthy(), LEAVE, *changes)
    before = world.kubernetes.items(PODS)
    answer = LabCluster(world).try_pull(question)
    assert world.kubernetes.items(PODS) == before
    return answer


def test_a_pull_that_works() -> None:
    """The image came, and the runtime refused to start what it does not have."""
    body = tried(kubelet_may_pull).body
    assert body["pulled"] is True
    assert body["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "StartError"
    assert [event["reason"] for event in body["events"]] == ["Pulling", "Pulled"]
    assert {event["involvedObject"]["name"][:9] for event in body["events"]} == {"acrcheck-"}


def test_a_pull_that_fails() -> None:
    """The kubelet's words are in status and events."""
    body = tried().body
    assert body["pulled"] is False
    assert "401 Unauthorized" in str(body["events"])
    assert body["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"


def test_the_service_accounts_secrets_are_taken_where_the_pod_names_none() -> None:
    """As the API server adds them; those that are named come in their place."""

    def account(world: World) -> None:
        world.registry.accounts.append(Account("puller", "word"))
        world.pull_secrets.append(
            PullSecret(PULL_SECRET, NAMESPACE, {HOST: {"username": "puller", "password": "word"}})
        )
        metadata = {"name": "coder", "namespace": NAMESPACE}
        secrets = [{"name": PULL_SECRET}]
        world.kubernetes.put(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": secrets}
        )

    assert tried(account, question=Pull(NAMESPACE, IMAGE, WORKER_NODE, service_account="coder")).body[
        "pulled"
    ]
    named = Pull(NAMESPACE, IMAGE, WORKER_NODE, secrets=("other",), service_account="coder")
    assert tried(account, question=named).body["pulled"] is False


def test_what_is_not_tried() -> None:
    """Without leave, on no node, on one under pressure or one that is full."""
    assert LabCluster(healthy()).try_pull(QUESTION).outcome is Outcome.INVALID
    assert tried(question=Pull(NAMESPACE, IMAGE, "other")).outcome is Outcome.ABSENT
    pressed = tried(faults.node_condition("DiskPressure", "True", WORKER_NODE))
    assert (pressed.outcome, "DiskPressure" in pressed.detail) == (Outcome.CONFLICT, True)

    def full(world: World) -> None:
        world.kubernetes.get(NODES, WORKER_NODE)["status"]["allocatable"]["pods"] = "3"

    assert "of 3 pods" in tried(full).detail


@pytest.mark.parametrize("permission", permissions(NAMESPACE), ids=lambda item: item.text)
def test_each_permission_is_needed(permission: Permission) -> None:
    """The first that is missing is named."""
    forbidden = Forbidden(permission.verb, permission.resource, permission.group)
    answer = tried(kubelet_may_pull, faults.forbidden(forbidden))
    assert (answer.outcome, answer.permission) == (Outcome.FORBIDDEN, permission)
