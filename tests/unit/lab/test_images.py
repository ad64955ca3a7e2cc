"""The lab's images."""

import gzip
import io
import json
import tarfile

from acrcheck.lab import images
from acrcheck.lab.azure import Registry


def registry() -> Registry:
    """An empty registry."""
    return Registry("labreg", "labreg.azurecr.io", "/r", "t")


def test_two_platforms_make_an_index_whose_parts_are_all_there() -> None:
    """Index, manifests, configurations and layers fit together by digest, size and platform."""
    store = registry()

    digest = images.push(store, "a/b", "1", files={"bin/sh": b"#!"})

    repository = store.repositories["a/b"]
    assert repository.tags == {"1": digest}
    index = json.loads(repository.manifests[digest].text)
    assert index["mediaType"] == repository.manifests[digest].media_type == images.OCI_INDEX
    assert [m["platform"]["architecture"] for m in index["manifests"]] == ["amd64", "arm64"]
    for entry in index["manifests"]:
        text = repository.manifests[entry["digest"]].text
        assert images.digest_of(text.encode()) == entry["digest"]
        assert len(text) == entry["size"]
        manifest = json.loads(text)
        config = json.loads(store.blobs[manifest["config"]["digest"]])
        assert config["architecture"] == entry["platform"]["architecture"]
        layer = store.blobs[manifest["layers"][0]["digest"]]
        assert len(layer) == manifest["layers"][0]["size"]
        archive = gzip.decompress(layer)
        assert config["rootfs"]["diff_ids"] == [images.digest_of(archive)]
        with tarfile.open(fileobj=io.BytesIO(archive)) as content:
            assert content.getnames() == ["bin/sh"]


def test_the_same_image_always_has_the_same_digest() -> None:
    """Whoever makes it, and whenever."""
    assert images.push(registry(), "a", "1") == images.push(registry(), "a", "1")
    assert images.push(registry(), "a", "1") != images.push(registry(), "a", "2")


def test_one_platform_makes_a_plain_manifest() -> None:
    """Of the OCI's kind or of Docker's."""
    store = registry()

    oci = images.push(store, "a", "oci", platforms=["linux/arm64"])
    docker = images.push_docker(store, "a", "docker")

    manifests = store.repositories["a"].manifests
    assert manifests[oci].media_type == images.OCI_MANIFEST
    assert manifests[docker].media_type == images.DOCKER_MANIFEST
    assert json.loads(manifests[docker].text)["config"]["mediaType"] == images.DOCKER_CONFIG
