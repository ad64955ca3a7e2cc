"""The API server when it cannot call the webhook of workload identity."""

from datetime import timedelta

import pytest

from acrcheck.lab import faults
from acrcheck.lab.programs.webhook import events_of_replicaset
from acrcheck.lab.world import World, healthy

CALLED = (
    'Error creating: Internal error occurred: failed calling webhook "mutation.azure-workload-identity.io": failed to '
    'call webhook: Post "https://azure-wi-webhook-webhook-service.kube-system.svc:443/mutate-v1-pod?timeout=10s": '
)


def world_of(**fields: object) -> World:
    """A world whose webhook is so."""
    return faults.broken(healthy(), faults.workload_identity, faults.webhook(**fields))


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ("absent", 'no endpoints available for service "azure-wi-webhook-webhook-service"'),
        ("silent", "context deadline exceeded"),
        ("plain", "http: server gave HTTP response to HTTPS client"),
    ],
)
def test_the_reason_stands_last(answers: str, reason: str) -> None:
    """After the webhook's name and address, in an event of the ReplicaSet's controller."""
    assert events_of_replicaset(world_of(answers=answers)).endswith(f"{CALLED}{reason}\n")


def test_a_certificate_that_has_ended_shows_both_times() -> None:
    """As Go's x509 says it."""
    world = world_of()
    assert world.webhook is not None
    world.webhook.certificate = world.clock.now() - timedelta(hours=1)

    text = events_of_replicaset(world)

    now = world.clock.now()
    assert text.endswith(
        "x509: certificate has expired or is not yet valid: current time "
        f"{now:%Y-%m-%dT%H:%M:%SZ} is after {world.webhook.certificate:%Y-%m-%dT%H:%M:%SZ}\n"
    )


def test_pods_are_admitted_without_it_where_the_policy_says_so() -> None:
    """And where it answers, or there is none."""
    assert events_of_replicaset(world_of(answers="absent", failure_policy="Ignore")) == ""
    assert events_of_replicaset(world_of()) == ""
    assert events_of_replicaset(healthy()) == ""
