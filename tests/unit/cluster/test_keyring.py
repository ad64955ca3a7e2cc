"""The kubelet's keyring."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.cluster.keyring import Entry, index_key, lookup, matches

IMAGE = "labreg.azurecr.io/team/app"


def found(*keys: str, image: str = IMAGE) -> list[str]:
    """Give the keys that match an image, in their order."""
    return [entry.key for entry in lookup([Entry("pull", key, "user", "<opaque:1>") for key in keys], image)]


@pytest.mark.parametrize(
    "key",
    [
        "labreg.azurecr.io",
        "https://labreg.azurecr.io",
        "http://labreg.azurecr.io",
        "labreg.azurecr.io/",
        "https://labreg.azurecr.io/v2/",
        "https://labreg.azurecr.io/v1/",
        "*.azurecr.io",
        "*.azurecr.*",
        "labreg.azurecr.io/team",
        "labreg.azurecr.io/te",
        "labreg.azurecr.io/team/app",
    ],
)
def test_takes_what_the_kubelet_takes(key: str) -> None:
    """With a scheme, a version, a star in a label, or the beginning of the repository."""
    assert found(key) == [key]


@pytest.mark.parametrize(
    "key",
    [
        "labreg.azurecr.io:443",
        "LabReg.azurecr.io",
        "https://labreg.azurecr.io/v2",
        "*azurecr.io",
        "labreg.azurecr.io/team/app:v1",
        "labreg.azurecr.io/*",
        "labreg.azurecr.io/other",
        "labreg",
        "docker.io",
        " labreg.azurecr.io",
        "labreg.azurecr.io\n",
        "labreg.azurecr.io:port",
        "",
    ],
)
def test_leaves_what_the_kubelet_leaves(key: str) -> None:
    """Another port, letter case, number of labels; a tag; white space, which makes it no URL."""
    assert found(key) == []


def test_a_star_stands_for_one_label() -> None:
    """A regional host has one more."""
    assert found("*.azurecr.io", image="labreg.eastus.geo.azurecr.io/app") == []


def test_the_more_specific_is_tried_first() -> None:
    """Whatever the order of the secrets; of one key, the earlier secret."""
    keys = ["*.azurecr.*", "labreg.azurecr.io", "*.azurecr.io", "labreg.azurecr.io/team"]

    assert found(*keys) == ["labreg.azurecr.io/team", "labreg.azurecr.io", "*.azurecr.io", "*.azurecr.*"]
    both = [Entry(name, "labreg.azurecr.io", "user", "") for name in ("first", "second")]
    assert [entry.secret for entry in lookup(both, IMAGE)] == ["first", "second"]


def test_docker_hub_has_a_key_of_its_own() -> None:
    """The index's address counts for its images, and for no other's."""
    key = "https://index.docker.io/v1/"

    assert found(key, image="docker.io/library/busybox") == [key]
    assert found(key) == []


@given(st.text(), st.text())
def test_no_text_is_too_odd(key: str, name: str) -> None:
    """Whatever stands as a key, it matches or it does not."""
    plain = index_key(key)

    assert plain is None or matches(plain, name) in {True, False}
