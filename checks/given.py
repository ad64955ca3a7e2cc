"""A credential on its own: what it is, and from here."""

from acrcheck.api import Check, Clock, Each, Looking, NotApplicableError, Target, Vantage, note
from acrcheck.azure import registry as acr
from acrcheck.azure.image import parse_image
from acrcheck.facts import AccessToken, Challenged, Claim, Credential, Image, Keyring, Manifest, Path, Route

from .objects import number
from .pull import FLAWS, credential, flaws, time_of
from .registry import OPEN_SCHEME

GOOD = note("credential-good", "good: {host} lets {username} ({kind}) pull from {repository}; {until}")
NO_IMAGE = note(
    "credential-good-without-image",
    "good: {host} lets {username} ({kind}) pull from {repository}, though {image} did not come; {until}",
)
NO_TOKEN = note(
    "credential-without-token",
    "not good, as far as is known: {host} gave {username} ({kind}) nothing to pull from {repository} with",
)
NOT_TRIED = note(
    "credential-not-tried",
    "not known whether {username} ({kind}) is good: {host} was not asked, or asks for no credential",
)
WHERE = {
    acr.ADMIN: "it is until somebody regenerates it, or turns the account off",
    acr.PRINCIPAL: "az ad app credential list --id {username} --query '[].endDateTime'",
    acr.SCOPED_TOKEN: "az acr token show --registry {registry} --name {username} --query credentials.passwords",
}
"""Where the end of a credential can be read, by its kind."""
OTHERWHERE = "whoever issued it knows"
SOURCE = "the given credential"


def given(target: Target, clock: Clock) -> Looking[Each[Keyring]]:
    """The credential is whole."""
    reference = parse_image(target.image)
    image = Image(target.image, (), reference)
    entry = {"key": reference.host, **target.credential}
    yield from flaws(SOURCE, "SECRET", entry, reference.host, clock.now())
    used = credential(entry, reference.host, source=SOURCE)
    return Each(((image.subject, Keyring(image, (used,), provider=False)),))


def here(target: Target) -> Looking[Each[Path]]:
    """The registry is asked from here."""
    path = Path(pod="", node="", vantage=Vantage("local"), host=parse_image(target.image).host)
    yield from ()
    return Each(((path.subject, path),))


def verdict(
    rings: Each[Keyring],
    ways: Each[Route],
    challenged: Each[Challenged],
    tokens: Each[AccessToken],
    images: Each[Manifest],
    target: Target,
) -> Looking[None]:
    """What trying it came to: whether it is good for the image, and until when."""
    ring = next(iter(rings))
    used, wanted = ring.credentials[0], ring.image.reference
    if wanted is None:
        raise NotApplicableError("no image to try it on")
    said = {"host": wanted.host, "username": used.username, "kind": used.kind}
    asks = any(item.scheme != OPEN_SCHEME for item in challenged)
    if not asks:
        yield NOT_TRIED(**said)
        return
    said |= {"repository": wanted.repository}
    claims = {Claim(way).subject for way in ways}
    if not any(subject in claims for subject, _ in tokens.items):
        yield NO_TOKEN(**said)
        return
    said |= {"until": _until(used, target, wanted.host)}
    yield GOOD(**said) if images.items else NO_IMAGE(**said, image=ring.image.text)


def _until(used: Credential, target: Target, host: str) -> str:
    """Say until when it is good, or who knows."""
    ends = number(target.credential, "claims", "exp")
    if ends:
        return f"until {time_of(ends)}"
    where = WHERE.get(used.kind, OTHERWHERE).format(username=used.username, registry=host.partition(".")[0])
    return f"until when, the registry does not say of a {used.kind}: {where}"


CHECKS = (
    Check("credential", "the credential is whole", given, sees=FLAWS),
    Check("credential-path", "where it is tried from is known", here),
    Check(
        "credential-verdict", "what it came to is known", verdict, sees=(GOOD, NO_IMAGE, NO_TOKEN, NOT_TRIED)
    ),
)
