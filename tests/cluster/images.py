"""The container images of the test cluster: built here, pushed into its registries over their HTTP API."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.layout import DEBIAN, HERE, cache

SOURCE = HERE / "images"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
UNNEEDED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "var/cache",
    "var/lib/apt",
    "dev",
)


@dataclass(frozen=True)
class Image:
    """What an image is made of.

    Attributes:
        repository: without the registry's host.
        root: the name of a root file system in the cache, or empty for none.
        files: further files, each by its path in the image.
    """

    repository: str
    tag: str
    root: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


def catalogue() -> tuple[Image, ...]:
    """All images: what Coder, AAD Pod Identity and the kubelet pull, and the documentation's azure-cli."""
    path = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
    busybox = Path("/bin/busybox")
    coderd = {"usr/local/bin/coderd": programs() / "coderd"}
    run = {**path, "Cmd": ["coderd", "run"], "User": "1000"}
    return (
        Image("coderenvs/coder-service", "1.44.3", "curl", coderd, run),
        Image("coderenvs/coder-service", "1.44.3-bare", "", coderd, run),
        Image("azure-cli", "latest", "python", {}, {**path, "Cmd": ["bash"]}),
        Image(
            "oss/azure/aad-pod-identity/nmi",
            "v1.8.17",
            "",
            {"bin/nmi": programs() / "nmi"},
            {"Entrypoint": ["/bin/nmi"]},
        ),
        Image(
            "oss/azure/aad-pod-identity/mic",
            "v1.8.17",
            "",
            {"bin/mic": programs() / "mic"},
            {"Entrypoint": ["/bin/mic"]},
        ),
        Image(
            "pause",
            "3.10",
            "",
            {"bin/busybox": busybox},
            {"Entrypoint": ["/bin/busybox", "sleep", "2147483647"]},
        ),
    )


def rootfs(kind: str) -> Path:
    """A Debian root file system in the cache: `curl`, or `python` which has curl too."""
    return cache() / f"rootfs-{DEBIAN}-{kind}"


def programs() -> Path:
    """The folder of the programs built from this source."""
    sources = sorted(path for path in SOURCE.rglob("*") if path.is_file())
    return cache() / f"programs-{_digest(*(path.read_bytes() for path in sources))}"


def built() -> Path:
    """The folder of the finished images, named after all that decides them."""
    inputs = (Path(__file__).read_bytes(), (cache() / "azure-ca.crt").read_bytes(), programs().name.encode())
    return cache() / f"images-{_digest(*inputs)}"


def build(folder: Path) -> None:
    """Make every image: blobs by digest, and `index.json` with each image's manifest."""
    index = []
    layers: dict[str, tuple[str, str, int]] = {}
    for image in catalogue():
        if image.root and image.root not in layers:
            layers[image.root] = _store_layer(folder, _root_members(image.root))
        own = [_store_layer(folder, _file_members(image.files))] if image.files else []
        parts = [*([layers[image.root]] if image.root else []), *own]
        manifest = _manifest(folder, image, parts)
        index.append({"repository": image.repository, "tag": image.tag, "manifest": manifest})
    (folder / "index.json").write_text(json.dumps(index))


def push_all(client: httpx.Client) -> None:
    """Push every image to the registry that the client's base URL names.

    Raises:
        httpx.HTTPError: the registry refused something.
    """
    for entry in _index():
        _push(client, entry["manifest"], entry["repository"], entry["tag"])


def push_one(client: httpx.Client, name: str, repository: str, tag: str) -> None:
    """Push the first image of that name under another name.

    Raises:
        httpx.HTTPError: the registry refused something.
    """
    _push(client, _entry(name)["manifest"], repository, tag)


def own_layer(mark: str) -> bytes:
    """A layer that no other image has."""
    buffer = io.BytesIO()
    info = tarfile.TarInfo(f"etc/{mark}")
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    return gzip.compress(buffer.getvalue(), mtime=0)


def push_own(
    client: httpx.Client, repository: str, tag: str, mark: str, architecture: str = "amd64"
) -> tuple[str, int]:
    """Push coderd without a shell, with a layer of its own; the digest and the length of its manifest."""
    manifest = json.loads(json.dumps(_entry("coderenvs/coder-service", "1.44.3-bare")["manifest"]))
    config = json.loads((built() / manifest["config"]["digest"]).read_bytes())
    layer = own_layer(mark)
    config["architecture"] = architecture
    config["rootfs"]["diff_ids"].append(digest_of(gzip.decompress(layer)))
    config["history"].append({"created_by": mark})
    blobs = {part["digest"]: (built() / part["digest"]).read_bytes() for part in manifest["layers"]}
    text = json.dumps(config).encode()
    blobs |= {digest_of(layer): layer, digest_of(text): text}
    manifest["layers"].append({"mediaType": LAYER, "digest": digest_of(layer), "size": len(layer)})
    manifest["config"] = {"mediaType": CONFIG, "digest": digest_of(text), "size": len(text)}
    for digest, content in blobs.items():
        push_blob(client, repository, digest, content)
    body = json.dumps(manifest)
    push_manifest(client, repository, tag, body, MANIFEST)
    return digest_of(body.encode()), len(body)


def push_index(
    client: httpx.Client, repository: str, tag: str, digest: str, size: int, architecture: str
) -> None:
    """Push an index of one manifest, which is there already."""
    platform = {"os": "linux", "architecture": architecture}
    entry = {"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform}
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    push_manifest(client, repository, tag, body, INDEX)


def digest_of(content: bytes) -> str:
    """The digest by which a registry knows this content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _push(client: httpx.Client, manifest: dict[str, Any], repository: str, tag: str) -> None:
    for part in (manifest["config"], *manifest["layers"]):
        push_blob(client, repository, part["digest"], (built() / part["digest"]).read_bytes())
    push_manifest(client, repository, tag, json.dumps(manifest), MANIFEST)


def _entry(name: str, tag: str = "") -> dict[str, Any]:
    """The first image of that name, and of that tag when one is given."""
    return next(entry for entry in _index() if entry["repository"] == name and tag in {"", entry["tag"]})


def _index() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((built() / "index.json").read_text())
    return entries


def push_blob(client: httpx.Client, repository: str, digest: str, content: bytes) -> None:
    """Upload a blob in one piece, unless it is there."""
    if client.head(f"/v2/{repository}/blobs/{digest}").status_code == httpx.codes.OK:
        return
    begun = client.post(f"/v2/{repository}/blobs/uploads/").raise_for_status()
    place = httpx.URL(begun.headers["location"]).copy_merge_params({"digest": digest})
    octets = {"Content-Type": "application/octet-stream"}
    client.put(place, content=content, headers=octets).raise_for_status()


def push_manifest(client: httpx.Client, repository: str, reference: str, text: str, media_type: str) -> None:
    """Upload a manifest under a tag or its digest."""
    url = f"/v2/{repository}/manifests/{reference}"
    client.put(url, content=text.encode(), headers={"Content-Type": media_type}).raise_for_status()


def trusted_certificates() -> bytes:
    """The machine's own bundle and the root of the simulated Azure."""
    return Path("/", CERTIFICATES).read_bytes() + (cache() / "azure-ca.crt").read_bytes()


def _manifest(folder: Path, image: Image, layers: list[tuple[str, str, int]]) -> dict[str, Any]:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": [plain for _, plain, _ in layers]},
        "history": [{"created_by": "acrcheck test cluster"} for _ in layers],
    }
    digest, size = _store(folder, json.dumps(config).encode())
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest, "size": size},
        "layers": [{"mediaType": LAYER, "digest": name, "size": length} for name, _, length in layers],
    }


Member = tuple[tarfile.TarInfo, bytes | None]


def _store_layer(folder: Path, members: Iterable[Member]) -> tuple[str, str, int]:
    """Write a layer; its digest, the digest of its uncompressed form, its size."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, None if content is None else io.BytesIO(content))
    plain = buffer.getvalue()
    digest, size = _store(folder, gzip.compress(plain, compresslevel=1, mtime=0))
    return digest, digest_of(plain), size


def _store(folder: Path, content: bytes) -> tuple[str, int]:
    digest = digest_of(content)
    (folder / digest).write_bytes(content)
    return digest, len(content)


def _root_members(kind: str) -> Iterable[Member]:
    root = rootfs(kind)
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as scratch:
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if name.startswith(UNNEEDED) or name == CERTIFICATES:
                continue
            info = scratch.gettarinfo(str(path), name)
            if info is None:
                continue
            # Hard links would have to be in order: each name gets its own copy.
            if info.islnk():
                info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
            info.mtime = 0
            yield info, path.read_bytes() if info.isreg() else None
    yield _file(CERTIFICATES, trusted_certificates(), 0o644)


def _file_members(files: dict[str, Path]) -> Iterable[Member]:
    return [_file(name, path.read_bytes(), 0o755) for name, path in files.items()]


def _file(name: str, content: bytes, mode: int) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    return info, content


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
