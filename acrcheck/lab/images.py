"""Small container images, made the same way every time, so that their digests never change."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from typing import Any

from acrcheck.lab.answers import compact
from acrcheck.lab.azure import Manifest, Registry, Repository

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PLATFORMS = ("linux/amd64", "linux/arm64")


def push(
    registry: Registry,
    repository: str,
    tag: str,
    *,
    platforms: Sequence[str] = PLATFORMS,
    files: dict[str, bytes] | None = None,
) -> str:
    """Put an image into a registry and return the digest that the tag now has.

    Args:
        registry: changed in place.
        repository: its name, `coder/envbox` for one.
        tag: set, or moved if it exists.
        platforms: `os/architecture`; a single one makes a plain image manifest, several make an index.
        files: what its one layer holds, by path; a greeting if left out.
    """
    store = registry.repositories.setdefault(repository, Repository())
    content = files or {"etc/motd": f"{repository}:{tag}\n".encode()}
    digests = {p: _image(registry, store, p, content) for p in platforms}
    digest = next(iter(digests.values()))
    if len(digests) > 1:
        entries = [
            _descriptor(OCI_MANIFEST, d, store.manifests[d].text.encode(), platform=_platform(p))
            for p, d in digests.items()
        ]
        digest = _store(store, OCI_INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    store.tags[tag] = digest
    return digest


def push_docker(registry: Registry, repository: str, tag: str, platform: str = "linux/amd64") -> str:
    """Put an image into a registry as Docker's own schema 2 writes it, and return its digest."""
    store = registry.repositories.setdefault(repository, Repository())
    types = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER)
    content = {"etc/motd": f"{repository}:{tag}\n".encode()}
    store.tags[tag] = _image(registry, store, platform, content, types)
    return store.tags[tag]


def digest_of(content: bytes) -> str:
    """The digest by which registries know this content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _image(
    registry: Registry,
    store: Repository,
    platform: str,
    files: dict[str, bytes],
    types: tuple[str, str, str] = (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER),
) -> str:
    archive = _tar(files)
    layer = gzip.compress(archive, mtime=0)
    config = compact(
        {
            **_platform(platform),
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(archive)]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "lab"}],
        }
    ).encode()
    registry.blobs[digest_of(layer)] = layer
    registry.blobs[digest_of(config)] = config
    manifest_type, config_type, layer_type = types
    document = {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": _descriptor(config_type, digest_of(config), config),
        "layers": [_descriptor(layer_type, digest_of(layer), layer)],
    }
    return _store(store, manifest_type, document)


def _store(store: Repository, media_type: str, document: dict[str, Any]) -> str:
    text = compact(document)
    digest = digest_of(text.encode())
    store.manifests[digest] = Manifest(media_type, text)
    return digest


def _descriptor(media_type: str, digest: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "size": len(content), "digest": digest, **more}


def _platform(platform: str) -> dict[str, str]:
    system, _, architecture = platform.partition("/")
    return {"architecture": architecture, "os": system}


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
