"""The image: tag, repository, platform, and where its layers lie."""

import json

from acrcheck.lab import faults, images
from acrcheck.lab.azure import Manifest, RoleAssignment
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import HOST, OBJECT_ID, REGISTRY_ID, REPOSITORY, TAG, Canned, World

LOCKED = Canned(
    405,
    (("Content-Type", "application/json; charset=utf-8"),),
    '{"errors":[{"code":"REGISTRY_DISALLOWED_OPERATION","message":"The operation is disallowed on this '
    'registry, repository or image.","detail":{}}]}',
)
OWNERS = "the image is the registry owner's"


def _platform(world: World) -> None:
    images.push(world.registry, REPOSITORY, TAG, platforms=("linux/arm64", "windows/amd64"))


def _purged(world: World) -> None:
    repository = world.registry.repositories[REPOSITORY]
    index = json.loads(repository.manifests[repository.tags[TAG]].text)
    for entry in index["manifests"]:
        del repository.manifests[entry["digest"]]


def _chart(world: World) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+json"
    text = json.dumps({"schemaVersion": 1, "name": REPOSITORY, "tag": TAG, "mediaType": kind})
    digest = images.digest_of(text.encode())
    repository = world.registry.repositories[REPOSITORY]
    repository.manifests[digest] = Manifest(kind, text)
    repository.tags[TAG] = digest


def _data_endpoint_blocked(world: World) -> None:
    world.registry.data_endpoint = True
    faults.rule("drop", world.registry.data_host)(world)


def _data_endpoint_unlinked(world: World) -> None:
    """The private zone has a record for the registry, and none for its data endpoint."""
    world.registry.data_endpoint = True
    world.registry.public_network_access = False
    world.registry.private_endpoints = ["10.225.0.5"]
    faults.resolves(HOST, "10.225.0.5", chain=("labreg.privatelink.azurecr.io",))(world)
    faults.rule("unresolved", world.registry.data_host)(world)


pull_only = faults.roles(RoleAssignment(OBJECT_ID, "AcrPull", REGISTRY_ID))
"""The identity may neither look at the registry in Azure, nor at what was deleted from it."""


def _quarantined(world: World) -> None:
    world.registry.quarantine = True
    repository = world.registry.repositories[REPOSITORY]
    repository.quarantined.append(repository.tags[TAG])


def _by_digest(world: World) -> None:
    faults.target(image=f"{HOST}/{REPOSITORY}@{world.registry.repositories[REPOSITORY].tags[TAG]}")(world)


def _read_disabled(world: World) -> None:
    repository = world.registry.repositories[REPOSITORY]
    repository.locked.append(repository.tags[TAG])


def _deleted(world: World) -> None:
    world.registry.soft_delete_days = 7
    repository = world.registry.repositories[REPOSITORY]
    repository.deleted[TAG] = repository.tags.pop(TAG)


def _behind(world: World) -> None:
    world.registry.replicas.append("westeurope")
    repository = world.registry.repositories[REPOSITORY]
    repository.behind.append(repository.tags[TAG])


def _corrupt(world: World) -> None:
    world.registry.blobs = {digest: bytes(len(content)) for digest, content in world.registry.blobs.items()}


SCENARIOS = (
    Scenario(
        "tag-missing",
        "tag-not-found",
        "the tag is not there",
        Faulty(faults.target(image=f"{HOST}/{REPOSITORY}:1.45")),
        unmended=OWNERS,
    ),
    Scenario(
        "repository-missing",
        "image-not-found",
        "the repository is not there",
        Faulty(faults.target(image=f"{HOST}/coder/enviroment:{TAG}")),
        unmended=OWNERS,
    ),
    Scenario(
        "platform-missing",
        "platform-mismatch",
        "the image is not made for the nodes' platform",
        Faulty(_platform),
        unmended=OWNERS,
    ),
    Scenario(
        "manifest-purged",
        "manifest-purged",
        "the index is there, the manifest it names is not",
        Faulty(_purged),
        unmended=OWNERS,
    ),
    Scenario(
        "image-locked",
        "image-locked",
        "the image may not be read",
        Faulty(faults.answers(f"{HOST}/v2/{REPOSITORY}/manifests/", LOCKED)),
        unmended=OWNERS,
    ),
    Scenario(
        "image-read-disabled",
        "image-locked",
        "the image's readEnabled is false",
        Faulty(_read_disabled),
        unmended=OWNERS,
    ),
    Scenario(
        "image-in-quarantine",
        "image-in-quarantine",
        "no scanner has let the image pass, and it is pulled by its tag",
        Faulty(_quarantined),
        unmended=OWNERS,
    ),
    Scenario(
        "digest-in-quarantine",
        "image-in-quarantine",
        "no scanner has let the image pass, and it is pulled by its digest",
        Faulty(_quarantined, _by_digest),
        unmended=OWNERS,
    ),
    Scenario(
        "tag-soft-deleted",
        "tag-soft-deleted",
        "the tag was deleted and can be restored, as the identity may see",
        Faulty(_deleted),
        unmended=OWNERS,
    ),
    Scenario(
        "tag-deleted",
        "tag-not-found",
        "the tag was deleted and can be restored, as the identity may not see",
        Faulty(_deleted, pull_only),
        unmended=OWNERS,
    ),
    Scenario(
        "replica-behind",
        "replica-behind",
        "the replica that answers lists the tag and lacks the manifest",
        Faulty(_behind, pull_only),
        among=("image-in-quarantine",),
        unmended="time mends it",
    ),
    Scenario(
        "replica-behind-read",
        "replica-behind",
        "the same, and the identity may see that there are replicas and no quarantine",
        Faulty(_behind),
        unmended="time mends it",
    ),
    Scenario(
        "not-an-image",
        "not-a-container-image",
        "what is stored there is no image",
        Faulty(_chart),
        unmended=OWNERS,
    ),
    Scenario(
        "storage-blocked",
        "blob-storage-blocked",
        "the storage of the layers cannot be reached",
        Faulty(faults.rule("drop", "eastusmanaged1.blob.core.windows.net")),
        unmended="the network is not the cluster's to change",
    ),
    Scenario(
        "data-endpoint-blocked",
        "blob-storage-blocked",
        "the data endpoint cannot be reached",
        Faulty(_data_endpoint_blocked),
        unmended="the network is not the cluster's to change",
    ),
    Scenario(
        "data-endpoint-unlinked",
        "data-endpoint-dns",
        "the registry has a private address, its data endpoint none",
        Faulty(_data_endpoint_unlinked),
        unmended="the network is not the cluster's to change",
    ),
    Scenario(
        "blob-corrupt",
        "blob-corrupt",
        "what is downloaded is not what was stored",
        Faulty(_corrupt),
        unmended=OWNERS,
    ),
)
