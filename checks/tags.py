"""What the registry keeps of an image that it does not give out: quarantine, locks, deleted tags, replicas behind."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from acrcheck.api import (
    CannotLookError,
    Clock,
    Each,
    Failure,
    Looking,
    NotApplicableError,
    Observation,
    Request,
    Wire,
    fail,
    note,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.clouds import is_acr
from acrcheck.azure.image import ImageReference
from acrcheck.facts import AccessToken, Challenged, Manifest, RefreshToken, Route

from .manifests import LOCK, NOT_FOUND, OK, need_image, need_token
from .objects import mapping, mappings, text
from .sending import Client, authorized

QUARANTINED = fail(
    "manifest-quarantined",
    "{host} has {reference} in {repository} in quarantine ({state}) and gives it to scanners only",
    "digest",
)
LISTED = fail(
    "manifest-listed-not-given",
    "{host} lists {reference} in {repository} ({digest}, changed {changed}) and says that it has no such manifest",
)
SOFT_DELETED = fail(
    "tag-soft-deleted",
    "{reference} was deleted from {repository} at {at}, and {host} can still restore it ({digest})",
)
READ_OFF = note("manifest-read-disabled", "readEnabled is false of {reference} in {repository}: it is locked")
NOT_LISTED = note("tag-not-listed", "{host} does not list {reference} in {repository} either")
NEWEST = note("tags-newest", "the newest tags of {repository}: {tags}")
MOVED = note("tag-has-other-digest", "{tag} of {repository} leads to {digest} now")
DELETED_NOT_ASKED = note(
    "deleted-tags-not-asked",
    "whether it was deleted and can be restored is not known: the identity has no deleted_read on {repository}",
)
SEES = (QUARANTINED, LISTED, SOFT_DELETED, READ_OFF, NOT_LISTED, NEWEST, MOVED, DELETED_NOT_ASKED)
PASSED = "passed"
"""The state of quarantine of what is given out (the recordings of azure-sdk-for-js sdk/containerregistry)."""
F = TypeVar("F")
METADATA = frozenset({"metadata_read", "*"})


def tag(
    route: Route,
    tokens: Each[AccessToken],
    found: Each[Manifest],
    challenged: Each[Challenged],
    refreshed: Each[RefreshToken],
    wire: Wire,
    clock: Clock,
) -> Looking[None]:
    """Where the registry does not give the image out: what it keeps of it, as far as the token may ask."""
    image, token = need_image(route), need_token(route, tokens)
    host = route.path.host
    if any(subject == route.subject for subject, _ in found.items):
        raise NotApplicableError("the registry gives the image out")
    if not is_acr(host):
        raise NotApplicableError(f"{host} is no Azure registry: it has no such list")
    asker = _Asker(image, token, Client(route.path, wire, clock))
    status = asker.status(acr.manifest_request("HEAD", host, image.repository, image.reference))
    if status not in {NOT_FOUND, LOCK}:
        raise NotApplicableError("the registry does not say that it lacks the image, nor that it is locked")
    if not token.actions & METADATA:
        raise NotApplicableError(
            f"the token grants no metadata_read on {image.repository}: whether the registry keeps it in quarantine, "
            "or has deleted it, cannot be asked"
        )
    told = yield from _kept(asker, status)
    if told or status == LOCK:
        return
    yield NOT_LISTED(host=host, reference=image.reference, repository=image.repository)
    if not route.credentials:
        yield from _deleted(asker, _on(challenged, route), _on(refreshed, route))
    newest = asker.get(acr.newest_tags_request(host, image.repository))
    names = [text(item, "name") for item in mappings(newest, "tags")][: acr.NEWEST]
    if names:
        yield NEWEST(repository=image.repository, tags=", ".join(names))


def _on(facts: Each[F], route: Route) -> F | None:
    """Give the fact of the route's path."""
    return next((fact for subject, fact in facts.items if subject == route.path.subject), None)


@dataclass(frozen=True, slots=True)
class _Asker:
    image: ImageReference
    token: AccessToken
    client: Client

    @property
    def values(self) -> dict[str, str]:
        """What every observation says."""
        return {
            "host": self.client.path.host,
            "repository": self.image.repository,
            "reference": self.image.reference,
        }

    def status(self, request: Request) -> int:
        """Give the status of an answer; 0 where there is none."""
        answer, _ = self.client.ask(authorized(request, self.token))
        return 0 if isinstance(answer, Failure) else answer.status

    def get(self, request: Request, token: AccessToken | None = None) -> dict[str, Any]:
        """Give what the registry says, empty where it has no such thing; CannotLookError where it does not say."""
        answer, _ = self.client.ask(authorized(request, token or self.token))
        if isinstance(answer, Failure):
            raise CannotLookError(f"{answer.trouble}: {answer.detail}")
        if answer.status not in {OK, NOT_FOUND}:
            raise CannotLookError(
                f"{self.client.path.host} answered {answer.status}: {acr.error_of(answer)[1]}"
            )
        return (answer.json() or {}) if answer.status == OK else {}


def _kept(asker: _Asker, status: int) -> Generator[Observation, None, bool]:
    """Look at what the registry keeps of tag and manifest; gives whether that says why the image is not given out."""
    image, host = asker.image, asker.client.path.host
    tagged = asker.get(acr.tag_request(host, image.repository, image.tag)) if image.tag else {}
    leads = text(tagged, "tag", "digest")
    if image.digest and leads and leads != image.digest:
        yield MOVED(tag=image.tag, repository=image.repository, digest=leads)
    digest = image.digest or leads
    if not acr.is_digest(digest):
        return False
    kept = asker.get(acr.kept_manifest_request(host, image.repository, digest))
    switches = mapping(kept, "manifest", "changeableAttributes")
    state = text(switches, "quarantineState") or text(tagged, "tag", "quarantineState")
    if switches.get("readEnabled") is False:
        yield READ_OFF(reference=image.reference, repository=image.repository)
    if state and state.lower() != PASSED:
        yield QUARANTINED(**asker.values, state=state, digest=digest)
        return True
    if status == NOT_FOUND and (kept or not image.digest):
        changed = text(tagged, "tag", "lastUpdateTime") or text(kept, "manifest", "lastUpdateTime")
        yield LISTED(**asker.values, digest=digest, changed=changed or "at a time that it does not say")
        return True
    return False


def _deleted(asker: _Asker, asked: Challenged | None, refresh: RefreshToken | None) -> Iterator[Observation]:
    """Look for the tag among those that were deleted and can be restored: that takes a right of its own."""
    image, host = asker.image, asker.client.path.host
    if asked is None or refresh is None:
        return
    scope = f"repository:{image.repository}:deleted_read"
    answer, _ = asker.client.ask(acr.token_request(host, asked.service, scope, refresh.handle))
    handle = "" if isinstance(answer, Failure) else text(answer.json(), "access_token")
    secret = None if isinstance(answer, Failure) else answer.secret(handle)
    if secret is None or "deleted_read" not in acr.granted(secret.claims, image.repository):
        yield DELETED_NOT_ASKED(repository=image.repository)
        return
    gone = asker.get(acr.deleted_tags_request(host, image.repository), AccessToken(handle, frozenset()))
    for item in mappings(gone, "tags"):
        if image.reference in {text(item, "tag"), text(item, "digest")}:
            values = {
                "digest": text(item, "digest"),
                "at": text(item, "deletedAt") or "a time that it does not say",
            }
            yield SOFT_DELETED(**asker.values, **values)
            return
