"""Image references, as a container runtime reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.azure.image import MAX_NAME, ImageReference, ImageReferenceError, parse_image, place_of

HEX = "0123456789abcdef"
PART = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
REPOSITORY = st.lists(PART, min_size=1, max_size=4).map("/".join)
HOST = st.sampled_from(
    ["acme.azurecr.io", "localhost", "localhost:5000", "[::1]:5000", "10.0.0.1:443", "docker.io"]
)
TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
DIGEST = st.text(HEX, min_size=64, max_size=64).map("sha256:{}".format)
ALPHABET = st.sampled_from("abcXYZ019._-/:@[]$ {}\\\n\té\x00")


@given(HOST, REPOSITORY, st.none() | TAG, st.none() | DIGEST)
def test_a_well_formed_reference_is_read_part_by_part(
    host: str, repository: str, tag: str | None, digest: str | None
) -> None:
    """Each part is where it was put; without tag and digest the tag is latest."""
    text = f"{host}/{repository}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    image = parse_image(text)
    assert image == ImageReference(host, repository, tag or ("" if digest else "latest"), digest or "")
    assert image.reference == (digest or tag or "latest")


@given(
    st.text() | st.text(ALPHABET, max_size=60) | REPOSITORY | st.tuples(HOST, st.text(ALPHABET)).map("/".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never a crash; and what was read, written down and read again is the same."""
    try:
        image = parse_image(text)
    except ImageReferenceError:
        return
    assert parse_image(str(image)) == image
    assert image.reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpine", "docker.io/library/alpine:latest"),
        ("coder/envbox:1", "docker.io/coder/envbox:1"),
        ("ACME.azurecr.io/coder/envbox", "acme.azurecr.io/coder/envbox:latest"),
        ("acme.azurecr.io:443/a/b_c/d--e:T.1", "acme.azurecr.io:443/a/b_c/d--e:T.1"),
        (f"acme.azurecr.io/x:1@sha256:{'0' * 64}", f"acme.azurecr.io/x:1@sha256:{'0' * 64}"),
        (f"acme.azurecr.io/{'x' * MAX_NAME}:1", f"acme.azurecr.io/{'x' * MAX_NAME}:1"),
        (
            "x" * (MAX_NAME - len("library/")),
            f"docker.io/library/{'x' * (MAX_NAME - len('library/'))}:latest",
        ),
    ],
)
def test_what_is_left_out_is_what_the_runtime_takes(text: str, expected: str) -> None:
    """Docker Hub, its library, the tag latest; a host in lower case."""
    assert str(parse_image(text)) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("https://acme.azurecr.io/x", "scheme"),
        (" acme.azurecr.io/x", "white space"),
        ("acme.azurecr.io/x:1\n", "white space"),
        ("$IMAGE", "variable"),
        ("acme.azurecr.io/{{ .Values.image }}", "white space|variable"),
        ("acme.azurecr.io/Coder/x", "lower case"),
        ("acme.azurecr.io/", "no repository"),
        ("acme.azurecr.io//x", "no repository"),
        ("acme.azurecr.io/x/", "no repository"),
        ("acme.azurecr.io/x___y", "no repository"),
        ("acme.azurecr.io/-x", "no repository"),
        ("acme.azurecr.io/x:", "no tag"),
        ("acme.azurecr.io/x:-1", "no tag"),
        (f"acme.azurecr.io/x:{'t' * 129}", "no tag"),
        ("acme.azurecr.io/x@", "no digest"),
        ("acme.azurecr.io/x@sha256", "no digest"),
        (f"acme.azurecr.io/x@sha256:{'a' * 63}", "64 hexadecimal"),
        (f"acme.azurecr.io/x@sha256:{'A' * 64}", "64 hexadecimal"),
        (f"acme.azurecr.io/x@sha256:{'a' * 64}@sha256:{'a' * 64}", "no digest"),
        ("-acme.azurecr.io/x", "no registry host"),
        ("acme..azurecr.io/x", "no registry host"),
        ("acme.azurecr.io:port/x", "no registry host"),
        ("acme.azurecr.io:65536/x", "no registry host"),
        (f"acme.azurecr.io:{10**100}/x", "no registry host"),
        (f"acme.azurecr.io/{'x' * (MAX_NAME + 1)}", "at most 255"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(text: str, says: str) -> None:
    """In words that point at the part."""
    with pytest.raises(ImageReferenceError, match=says):
        parse_image(text)


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("acme.azurecr.io", ("acme.azurecr.io", 443)),
        ("localhost:5000", ("localhost", 5000)),
        ("[::1]", ("::1", 443)),
        ("[fd00::5]:8443", ("fd00::5", 8443)),
    ],
)
def test_a_host_has_a_name_and_a_port(host: str, place: tuple[str, int]) -> None:
    """HTTPS' own where none is named."""
    assert place_of(host) == place
