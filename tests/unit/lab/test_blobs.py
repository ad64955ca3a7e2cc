"""The hosts that layers come from, and the links that lead there."""

import json
from urllib.parse import urlsplit

import httpx
import pytest

from acrcheck.lab import images
from tests.unit.lab import worlds
from tests.unit.lab.worlds import RegistryBench as Bench
from tests.unit.lab.worlds import get

BASE = "https://labreg.azurecr.io"


def layer_of(bench: Bench) -> str:
    """The digest of the image's layer."""
    manifests = bench.registry.repositories[worlds.IMAGE].manifests
    plain = next(m for m in manifests.values() if m.media_type == images.OCI_MANIFEST)
    return str(json.loads(plain.text)["layers"][0]["digest"])


@pytest.mark.parametrize(
    ("dedicated", "host"),
    [(False, "eastusmanaged1.blob.core.windows.net"), (True, "labreg.eastus.data.azurecr.io")],
)
def test_a_layer_is_elsewhere(dedicated: bool, host: str) -> None:
    """307 to a signed link on blob storage or on the registry's data host, which is followed without a token."""
    bench = Bench()
    bench.registry.data_endpoint = dedicated
    digest = layer_of(bench)

    redirect = bench.get(f"/v2/{worlds.IMAGE}/blobs/{digest}")
    location = redirect.headers["location"]
    layer = get(bench.hosts, location)

    assert redirect.status_code == 307
    assert urlsplit(location).hostname == host
    assert layer.status_code == 200
    assert images.digest_of(layer.content) == digest
    assert layer.headers["server"] == "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"


def test_the_head_of_a_layer_is_answered_by_the_front() -> None:
    """With its size and digest, without a redirect."""
    bench = Bench()
    digest = layer_of(bench)

    url = f"{BASE}/v2/{worlds.IMAGE}/blobs/{digest}"
    head = bench.hosts(httpx.Request("HEAD", url, headers=bench.bearer()))

    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(bench.registry.blobs[digest]))
    missing = httpx.Request("HEAD", url[:-1], headers=bench.bearer())
    assert bench.hosts(missing).status_code == 404


def link(bench: Bench) -> str:
    """A signed link to the layer."""
    return str(bench.get(f"/v2/{worlds.IMAGE}/blobs/{layer_of(bench)}").headers["location"])


def test_a_part_of_a_layer_can_be_had() -> None:
    """206 with the range; 416 beyond the end."""
    bench = Bench()
    url, size = link(bench), len(bench.registry.blobs[layer_of(bench)])

    part = get(bench.hosts, url, {"Range": "bytes=0-9"})
    rest = get(bench.hosts, url, {"Range": "bytes=10-"})

    assert part.status_code == rest.status_code == 206
    assert part.headers["content-range"] == f"bytes 0-9/{size}"
    assert part.content + rest.content == bench.registry.blobs[layer_of(bench)]
    assert get(bench.hosts, url, {"Range": f"bytes={size}-"}).status_code == 416
    assert bench.hosts(httpx.Request("HEAD", url)).headers["content-length"] == str(size)


def test_a_token_forwarded_to_the_layers_host_is_refused() -> None:
    """400 in XML, with a byte order mark before it."""
    bench = Bench()

    response = get(bench.hosts, link(bench), bench.bearer())

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/xml"
    assert response.content.startswith(
        b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\n<Error><Code>InvalidAuthenticationInfo</Code>'
        b"<Message>Authentication information is not given in the correct format. "
        b"Check the value of Authorization header.\nRequestId:"
    )


def test_links_are_bound_and_end() -> None:
    """Another blob with the same signature, no signature, or after twenty minutes: 403."""
    bench = Bench()
    url = link(bench)
    forged = url.replace("r=coder", "r=other")
    assert get(bench.hosts, forged).status_code == 403
    assert get(bench.hosts, url.partition("?")[0]).status_code == 403
    assert bench.hosts(httpx.Request("DELETE", url)).status_code == 405
    bench.clock.sleep(20 * 60)
    assert "<Code>AuthenticationFailed</Code>" in get(bench.hosts, url).text


def test_a_blob_that_vanished_is_xml_too() -> None:
    """404 of blob storage."""
    bench = Bench()
    url = link(bench)
    bench.registry.blobs.clear()

    response = get(bench.hosts, url)

    assert response.status_code == 404
    assert "<Code>BlobNotFound</Code>" in response.text
