"""The image: tag, repository, platform, and where its layers lie."""

import json
from dataclasses import replace

from acrcheck.lab import faults, images
from acrcheck.lab.azure import Manifest
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import HOST, REPOSITORY, TAG, Canned, World, healthy

OWNERS = "the image is the registry owner's"


def _other(image: str) -> World:
    world = healthy()
    world.target = replace(world.target, image=image)
    return world


def _platform() -> World:
    world = healthy()
    images.push(world.registry, REPOSITORY, TAG, platforms=("linux/arm64", "windows/amd64"))
    return world


def _purged() -> World:
    world = healthy()
    repository = world.registry.repositories[REPOSITORY]
    index = json.loads(repository.manifests[repository.tags[TAG]].text)
    for entry in index["manifests"]:
        del repository.manifests[entry["digest"]]
    return world


def _locked() -> World:
    world = healthy()
    message = "The operation is disallowed on this registry, repository or image."
    body = f'{{"errors":[{{"code":"REGISTRY_DISALLOWED_OPERATION","message":"{message}","detail":{{}}}}]}}'
    canned = Canned(405, (("Content-Type", "application/json; charset=utf-8"),), body)
    world.network.answers[f"{HOST}/v2/{REPOSITORY}/manifests/"] = canned
    return world


def _chart() -> World:
    world = healthy()
    kind = "application/vnd.docker.distribution.manifest.v1+json"
    text = json.dumps({"schemaVersion": 1, "name": REPOSITORY, "tag": TAG, "mediaType": kind})
    digest = images.digest_of(text.encode())
    repository = world.registry.repositories[REPOSITORY]
    repository.manifests[digest] = Manifest(kind, text)
    repository.tags[TAG] = digest
    return world


def _storage_blocked() -> World:
    return faults.broken(healthy(), faults.rule("drop", "eastusmanaged1.blob.core.windows.net"))


def _data_endpoint_blocked() -> World:
    world = healthy()
    world.registry.data_endpoint = True
    return faults.broken(world, faults.rule("drop", world.registry.data_host))


def _corrupt() -> World:
    world = healthy()
    world.registry.blobs = {digest: bytes(len(content)) for digest, content in world.registry.blobs.items()}
    return world


SCENARIOS = (
    Scenario(
        "tag-missing",
        "tag-not-found",
        "the tag is not there",
        lambda: _other(f"{HOST}/{REPOSITORY}:1.45"),
        unmended=OWNERS,
    ),
    Scenario(
        "repository-missing",
        "image-not-found",
        "the repository is not there",
        lambda: _other(f"{HOST}/coder/enviroment:{TAG}"),
        unmended=OWNERS,
    ),
    Scenario(
        "platform-missing",
        "platform-mismatch",
        "the image is not made for the nodes' platform",
        _platform,
        unmended=OWNERS,
    ),
    Scenario(
        "manifest-purged",
        "manifest-purged",
        "the index is there, the manifest it names is not",
        _purged,
        unmended=OWNERS,
    ),
    Scenario("image-locked", "image-locked", "the image may not be read", _locked, unmended=OWNERS),
    Scenario(
        "not-an-image", "not-a-container-image", "what is stored there is no image", _chart, unmended=OWNERS
    ),
    Scenario(
        "storage-blocked",
        "blob-storage-blocked",
        "the storage of the layers cannot be reached",
        _storage_blocked,
        unmended="the network is not the cluster's to change",
    ),
    Scenario(
        "data-endpoint-blocked",
        "blob-storage-blocked",
        "the data endpoint cannot be reached",
        _data_endpoint_blocked,
        unmended="the network is not the cluster's to change",
    ),
    Scenario(
        "blob-corrupt", "blob-corrupt", "what is downloaded is not what was stored", _corrupt, unmended=OWNERS
    ),
)
