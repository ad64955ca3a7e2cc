"""The healthy world, and what MIC does in it."""

from acrcheck.cluster.reader import AZURE_ASSIGNED_IDENTITIES, AZURE_IDENTITY_BINDINGS, DEPLOYMENTS
from acrcheck.lab import faults, releases
from acrcheck.lab.clock import START
from acrcheck.lab.world import (
    IDENTITY,
    NAMESPACE,
    REPOSITORY,
    SELECTOR,
    SYSTEM_POOL,
    TAG,
    WORKER_POOL,
    World,
    healthy,
)


def states(world: World) -> list[str]:
    """The states of all AzureAssignedIdentity objects of coderd's."""
    return [
        item["status"]["status"]
        for item in world.kubernetes.items(AZURE_ASSIGNED_IDENTITIES)
        if item["spec"]["podNamespace"] == NAMESPACE
    ]


def test_two_replicas_run_on_the_nodes_of_two_pools() -> None:
    """Each pool has a node with a labelled, running pod and a ready NMI, since before the pod."""
    world = healthy()
    assert {pod["spec"]["nodeName"] for pod in world.pods} == {f"{SYSTEM_POOL}000000", f"{WORKER_POOL}000000"}
    for pod in world.pods:
        nmi = world.nmi_on(pod["spec"]["nodeName"])
        assert pod["metadata"]["labels"]["aadpodidbinding"] == SELECTOR
        assert nmi is not None
        assert nmi["status"]["startTime"] < pod["status"]["startTime"]


def test_it_begins_at_the_same_moment_each_time() -> None:
    """Worlds are alike: same time, same objects under the same names."""
    one, other = healthy(), healthy()
    assert one.clock.now() == other.clock.now() == START
    assert one.kubernetes.dump() == other.kubernetes.dump()


def test_the_registry_has_the_image_for_two_platforms() -> None:
    """The tag leads to an index of several manifests."""
    repository = healthy().registry.repositories[REPOSITORY]
    assert "image.index" in repository.manifests[repository.tags[TAG]].media_type


def test_managed_mode_assigns_nothing() -> None:
    """Without MIC there are no AzureAssignedIdentity objects."""
    assert states(healthy()) == []


def test_standard_mode_assigns_the_identity_to_each_pod() -> None:
    """MIC writes one object for each pod, and puts the identity onto the scale sets."""
    world = healthy(mode="standard")
    assert states(world) == ["Assigned", "Assigned"]
    assert world.azure.scale_set(WORKER_POOL).identities


def test_mic_follows_the_objects() -> None:
    """A binding that goes takes its assignments with it."""
    world = healthy(mode="standard")
    world.kubernetes.remove(AZURE_IDENTITY_BINDINGS, f"{IDENTITY}-binding", NAMESPACE)
    world.settle()
    assert states(world) == []


def test_mic_that_is_stuck_leaves_its_objects_in_created() -> None:
    """The object is there, and the identity not on the scale set."""
    assert states(faults.broken(healthy(mode="standard"), faults.mic_stuck)) == ["Created", "Created"]


def test_new_pods_keep_no_old_connections() -> None:
    """An application that is started again has forgotten its connections."""
    world = faults.broken(healthy(), faults.old_connections)
    assert len(world.old_connections) == 2
    faults.relabel(value="other")(world)
    assert world.old_connections == {}


def test_without_helm_the_deployment_has_no_marks_of_it() -> None:
    """What kubectl applied carries neither Helm's labels nor its annotations."""
    world = healthy(helm=False)
    metadata = world.kubernetes.get(DEPLOYMENTS, "coderd", NAMESPACE)["metadata"]
    assert "annotations" not in metadata
    assert not [key for key in metadata["labels"] if "helm" in key or "managed-by" in key]
    assert world.releases == []


def test_what_helm_keeps_does_not_change_with_time() -> None:
    """A revision's Secret says when helm made it, whenever it is read."""
    world = faults.broken(healthy(), faults.upgraded("pending-upgrade"))
    before = releases.secrets(world)
    assert [item["metadata"]["labels"]["status"] for item in before] == ["deployed", "pending-upgrade"]
    world.clock.sleep(1)
    assert releases.secrets(world) == before
