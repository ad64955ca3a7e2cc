"""A credential on its own: what it is, and from here."""

from acrcheck.api import Check, Clock, Each, Looking, Target, Vantage, note
from acrcheck.azure import registry as acr
from acrcheck.azure.image import parse_image
from acrcheck.facts import Image, Keyring, Path

from .objects import mapping
from .pull import FLAWS, credential, flaws

NO_END = note(
    "credential-end-unknown", "the registry does not say until when a {kind} is good: {where}", "username"
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
    """The credential is whole, and until when it is good."""
    reference = parse_image(target.image)
    image = Image(target.image, (), reference)
    entry = {"key": reference.host, **target.credential}
    yield from flaws(SOURCE, "SECRET", entry, reference.host, clock.now())
    used = credential(entry, reference.host, source=SOURCE)
    where = WHERE.get(used.kind, OTHERWHERE)
    if not mapping(entry, "claims"):
        registry = reference.host.partition(".")[0]
        yield NO_END(
            kind=used.kind,
            username=used.username,
            where=where.format(username=used.username, registry=registry),
        )
    return Each(((image.subject, Keyring(image, (used,), provider=False)),))


def here(target: Target) -> Looking[Each[Path]]:
    """The registry is asked from here."""
    path = Path(pod="", node="", vantage=Vantage("local"), host=parse_image(target.image).host)
    yield from ()
    return Each(((path.subject, path),))


CHECKS = (
    Check("credential", "the credential is whole", given, sees=(NO_END, *FLAWS)),
    Check("credential-path", "where it is tried from is known", here),
)
