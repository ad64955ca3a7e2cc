"""Coder's own view: its API, its switch for Azure registries, its entry for the registry, its images."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from acrcheck import coder
from acrcheck.api import (
    CannotLookError,
    Check,
    Clock,
    Each,
    Failure,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Request,
    Response,
    Target,
    Trouble,
    Vantage,
    Wire,
    fail,
    note,
    warn,
)
from acrcheck.azure.clouds import is_acr
from acrcheck.azure.image import ImageReferenceError, parse_image
from acrcheck.facts import (
    CoderApi,
    CoderEntries,
    CoderUser,
    Image,
    RefreshToken,
    Workload,
    Workspaces,
)

from .label import LABEL
from .objects import mapping, mappings, moment, text
from .pull import near
from .workload import CODER_NAMES

HERE = Vantage("local")
ENTRIES = "Images > Registries"
"""Where the interface lists registries (coder/docs, admin/registries/index.md)."""
ACR_KIND, STATIC_KIND = "Microsoft Azure Container Registry", "Generic Registry"
"""What the interface calls the kinds of an entry with and without pod identity (admin/registries/azure.md)."""
FRESH = timedelta(hours=2)
"""Tags are looked up every hour (changelog 1.32.0)."""
MOST = 20
"""Organizations, and images, that are looked at."""
FLAG_BUG = "1.26.0"
V2_HAS_NONE = "Coder v2 has no registries: what a workspace pulls, and with which secret, its template says"

UNTRUSTED = warn(
    "coder-url-untrusted", "the certificate served as {url} is not trusted here: {said}", "host", "port"
)
LOGIN_PAGE = warn(
    "coder-url-login-page", "{url} leads to {where}, not to Coder's API: a login stands before it"
)
OTHER_CODER = warn("coder-url-of-other-coder", "{url} is Coder {version}, and {workload} is Coder {wanted}")
OTHER_VERSION = warn(
    "coder-url-of-other-version", "{url} says it is Coder {version}, and the image of {workload} is {image}"
)
VERSION = note("coder-version", "the API is that of Coder {version}")
TOKEN_REFUSED = warn("coder-token-refused", "Coder refuses the session token: {said}", "url")
ROLE_LOW = warn(
    "coder-role-too-low",
    "the session token is of a user with the site roles {roles}: what only {least} may see is not shown",
    "url",
)
V2_HEALTH = note(
    "coder-v2-health", "Coder v2 says of itself: severity {severity}; it does not look at images"
)
ONE_FLAG_ONLY = warn(
    "coder-one-flag-only",
    "Coder {version} has a bug: whoever switches a feature on switches all others off, this one too (mended in 1.26.1)",
    "flag",
)
FLAG_OFF = fail(
    "coder-flag-off",
    "the audit log's last word on Azure registry authentication is `disabled`: {said}",
    "flag",
)
FLAG_OFF_UNUSED = note(
    "coder-flag-off-unused", "Azure registry authentication is off, and no pod identity is meant"
)
FLAG_ON = note("coder-flag-on", "the audit log's last word on Azure registry authentication is `enabled`")
ENTRY_ABSENT = fail("coder-registry-absent", "Coder has no entry for {host}, only for {others}")
ENTRY_DIFFERS = fail(
    "coder-registry-differs", "Coder's entry {name} is for {found}, and the images are at {host}: {why}"
)
ENTRY = note("coder-registry-entry", "Coder's entry {name} is for {host}")
ENTRY_KIND = note("coder-registry-kind", "the API gives the kind of entry {name} as {kind}")
NO_IMAGES = note("coder-no-images", "no image of {host} is imported")
STALE = fail(
    "coder-tags-stale",
    "Coder looked up no tag of {host} since {since} ({hours} h ago), which it does every hour: it seems to be refused",
)
STALE_TOO = note(
    "coder-tags-stale-too",
    "Coder looked up no tag of {host} since {since}, as its pods are not let in either",
)
SOME_STALE = note(
    "coder-tag-stale",
    "tag {tag} was last looked up at {since}, others since: it is probably no more in {host}",
)
FRESH_TAGS = note("coder-tags-fresh", "Coder looked up the tags of {host} at {since}")


def api(workload: Workload, target: Target, wire: Wire) -> Looking[CoderApi]:
    """Coder's API answers at the address given, and is the workload's."""
    if not (workload.coder or workload.coder_v2):
        raise NotApplicableError(f"{workload.kind}/{workload.name} is not Coder's")
    if not target.coder_url:
        raise NotApplicableError("needs --coder-url URL and a session token")
    answer = _ask(wire, coder.request(target.coder_url, "/api/private/version", coder.V1))
    if isinstance(answer, Failure):
        yield from _untrusted(answer, target.coder_url)
        said = "is not trusted" if answer.trouble is Trouble.TLS else "does not answer"
        raise CannotLookError(f"{target.coder_url} {said}: {answer.detail or answer.trouble}")
    version, generation = coder.version_of(answer), coder.V1
    if not version:
        second = _ask(wire, coder.request(target.coder_url, "/api/v2/buildinfo", coder.V2))
        version = coder.version_of(second) if isinstance(second, Response) else ""
        generation = coder.V2
    if not version:
        yield from _login(answer, target.coder_url)
        raise CannotLookError(
            f"what answers at {target.coder_url} is not Coder's API: /api/private/version gives {coder.said(answer)}"
        )
    yield VERSION(version=version)
    wanted = coder.V2 if workload.coder_v2 else coder.V1
    name = f"{workload.kind}/{workload.name}"
    if generation != wanted:
        yield OTHER_CODER(url=target.coder_url, version=version, workload=name, wanted=wanted)
        raise CannotLookError(f"{target.coder_url} is not of {name}: that is Coder {wanted}")
    own = _image_version(workload)
    if own and coder.release(own) != coder.release(version):
        yield OTHER_VERSION(url=target.coder_url, version=version, workload=name, image=own)
    return CoderApi(target.coder_url, version, generation)


def _ask(wire: Wire, question: Request) -> Response | Failure:
    return wire.request(HERE, question)


def _untrusted(failure: Failure, url: str) -> Iterator[Observation]:
    parts = urlsplit(url)
    if failure.trouble is Trouble.TLS:
        port = parts.port or coder.PORTS["https"]
        yield UNTRUSTED(url=url, said=failure.detail, host=parts.hostname or "", port=port)


def _login(answer: Response, url: str) -> Iterator[Observation]:
    """Tell of a page that stands before the API. Raises CannotLookError where only the scheme is wrong."""
    where = coder.leads_to(answer, url)
    if (
        where.startswith("https://")
        and urlsplit(where).netloc == urlsplit(url).netloc
        and url.startswith("http:")
    ):
        raise CannotLookError(
            f"{url} leads to {where}", remedy=f"--coder-url https{url.removeprefix('http')}"
        )
    if where or coder.is_page(answer):
        yield LOGIN_PAGE(url=url, where=where or "a page for people")


def _image_version(workload: Workload) -> str:
    """Give the version in the tag of the control plane's image; empty where it tells none."""
    for container in mappings(workload.pod_spec, "containers"):
        if text(container, "name") in {*CODER_NAMES, "coder"}:
            try:
                tag = parse_image(text(container, "image")).tag
            except ImageReferenceError:
                return ""
            return tag if coder.minor(tag) else ""
    return ""


def user(found: CoderApi, target: Target, wire: Wire) -> Looking[CoderUser]:
    """The session token is good, and its user may see what has to be seen."""
    if not target.coder_token:
        raise NotApplicableError("needs a session token: --coder-token-file FILE, or in ACRCHECK_CODER_TOKEN")
    v2 = found.generation == coder.V2
    path = "/api/v2/debug/health" if v2 else "/api/v0/users/me"
    answer = _answer(wire, coder.request(found.url, path, found.generation, target.coder_token))
    if answer.status == coder.UNAUTHORIZED:
        yield TOKEN_REFUSED(said=coder.said(answer), url=found.url)
        raise CannotLookError("the session token is refused")
    if v2:
        yield from _v2_health(answer, found)
        raise NotApplicableError(V2_HAS_NONE)
    body = _body(answer, path)
    roles = body.get("roles")
    if not isinstance(roles, list):
        raise CannotLookError(f"malformed: {path} tells no roles")
    known = CoderUser(frozenset(str(role) for role in roles))
    if not known.manages:
        shown = ", ".join(sorted(known.roles)) or "none"
        yield ROLE_LOW(roles=shown, least="a site manager", url=found.url)
    return known


def _v2_health(answer: Response, found: CoderApi) -> Iterator[Observation]:
    if answer.status == coder.FORBIDDEN:
        yield ROLE_LOW(roles="(not an owner)", least="an owner", url=found.url)
    severity = (answer.json() or {}).get("severity") if answer.status == coder.OK else None
    if isinstance(severity, str):
        yield V2_HEALTH(severity=severity)


def _answer(wire: Wire, question: Request) -> Response:
    """Give the answer to a question. Raises CannotLookError when there is none."""
    answer = _ask(wire, question)
    if isinstance(answer, Failure):
        raise CannotLookError(f"{_path(question)} gives no answer: {answer.detail or answer.trouble}")
    return answer


def _path(question: Request) -> str:
    return str(urlsplit(question.url).path)


def _body(answer: Response, path: str) -> dict[str, Any]:
    body = answer.json() if answer.status == coder.OK else None
    if body is None:
        raise CannotLookError(f"{path} gives {_unfit(answer)}")
    return body


def _unfit(answer: Response) -> str:
    kind = "a page for people" if coder.is_page(answer) else "no JSON that can be read"
    return f"{coder.said(answer)}, {kind}" if answer.status == coder.OK else coder.said(answer)


def _list(wire: Wire, found: CoderApi, target: Target, path: str, **query: str | int) -> list[dict[str, Any]]:
    """Give a list of the API. Raises CannotLookError when it gives none."""
    question = coder.request(found.url, path, found.generation, target.coder_token, **query)
    answer = _answer(wire, question)
    items = coder.items(answer) if answer.status == coder.OK else None
    if items is None or answer.cut:
        raise CannotLookError(f"{path} gives {'more than can be read' if answer.cut else _unfit(answer)}")
    return items


def flag(
    workload: Workload,
    found: Maybe[CoderApi],
    known: Maybe[CoderUser],
    target: Target,
    wire: Wire,
) -> Looking[None]:
    """Coder's switch for Azure registries is on, as far as its audit log tells."""
    _refuse_other_than_v1(workload)
    version = found.value.version if found.value else _image_version(workload)
    name = coder.flag_name(version)
    by_hand = f"by hand: Manage > Admin > Infrastructure > {name} must be on for a pod identity"
    if coder.release(version) == FLAG_BUG:
        yield ONE_FLAG_ONLY(version=version, flag=name)
        if not target.coder_url:
            return
    asked = _asked(found, known, target, by_hand)
    told = _last_word(asked, known, target, wire, by_hand)
    if told.enabled:
        yield FLAG_ON()
    elif workload.template_labels.get(LABEL):
        yield FLAG_OFF(said=told.said, flag=name)
    else:
        yield FLAG_OFF_UNUSED()


def _refuse_other_than_v1(workload: Workload) -> None:
    if workload.coder_v2:
        raise NotApplicableError(V2_HAS_NONE)
    if not workload.coder:
        raise NotApplicableError(f"{workload.kind}/{workload.name} is not Coder's")


def _asked(found: Maybe[CoderApi], known: Maybe[CoderUser], target: Target, by_hand: str) -> CoderApi:
    """Give the API that can be asked. Raises where there is none what can be done by hand."""
    if found.value is not None and known.value is not None:
        return found.value
    if target.coder_url and target.coder_token:
        raise CannotLookError(f"{found.reason or known.reason}; {by_hand}")
    raise NotApplicableError(by_hand)


def _last_word(
    found: CoderApi, known: Maybe[CoderUser], target: Target, wire: Wire, by_hand: str
) -> coder.Flag:
    """Give what the audit log last says of the switch. Raises CannotLookError where it does not tell."""
    if known.value and not known.value.audits:
        raise CannotLookError(f"no public API tells it, and the audit log is for site managers; {by_hand}")
    asked: dict[str, str | int] = {"limit": coder.AUDIT_ENTRIES, "action": "write"}
    question = coder.request(found.url, "/api/v0/audit", coder.V1, target.coder_token, **asked)
    answer = _answer(wire, question)
    if answer.status != coder.OK:
        raise CannotLookError(f"{_path(question)} gives {coder.said(answer)}; {by_hand}")
    told = coder.last_word(answer)
    if told is None:
        raise CannotLookError(
            f"no public API tells it, and the audit log's last {coder.AUDIT_ENTRIES} changes do not name it "
            f"(`{coder.FLAG}`); {by_hand}"
        )
    if told.enabled is None:
        raise CannotLookError(f"the audit log names it and not its state ({told.said}); {by_hand}")
    return told


def entries(
    workload: Workload,
    found: Maybe[CoderApi],
    known: Maybe[CoderUser],
    images: Each[Image],
    spaces: Maybe[Workspaces],
    target: Target,
    wire: Wire,
) -> Looking[CoderEntries | None]:
    """Coder has an entry for the registry, under the name that the images have."""
    _refuse_other_than_v1(workload)
    host = _host(images, spaces.value, target)
    by_hand = (
        f"by hand: {ENTRIES} must list {host or 'the registry'}, of kind {ACR_KIND} for a pod identity, "
        f"{STATIC_KIND} for static credentials"
    )
    asked = _asked(found, known, target, by_hand)
    every = []
    for organization in _list(wire, asked, target, "/api/v0/orgs")[:MOST]:
        every += _list(wire, asked, target, "/api/v0/registries", org=text(organization, "id"))
    names = {text(item, "registry"): item for item in every}
    here = [item for name, item in names.items() if (name.lower() == host if host else is_acr(name))]
    for item in here:
        yield ENTRY(name=_name(item), host=text(item, "registry"))
        if coder.kind_of(item):
            yield ENTRY_KIND(name=_name(item), kind=coder.kind_of(item))
    if here:
        return CoderEntries(host or text(here[0], "registry"), tuple(here))
    yield _no_entry(names, host, manages=bool(known.value and known.value.manages))
    return None


def _no_entry(names: dict[str, dict[str, Any]], host: str, *, manages: bool) -> Observation:
    """Say that there is none, or one that was probably meant. Raises where that cannot be known."""
    if not host:
        raise NotApplicableError("no registry is known: name one with --registry")
    for name, item in names.items():
        why = _why_not(name, host)
        if why:
            return ENTRY_DIFFERS(name=_name(item), found=name, host=host, why=why)
    if not manages:
        raise CannotLookError(f"no entry for {host} is shown, and this user is not shown all of them")
    return ENTRY_ABSENT(host=host, others=", ".join(sorted(names)) or "nothing")


def _host(images: Each[Image], spaces: Workspaces | None, target: Target) -> str:
    """Give the registry that is meant: the one named, else that of an image of Azure, of Coder or of a workspace."""
    if target.registry:
        return target.registry
    named = [target.image] if target.image else [image.text for image in images]
    for name in (*named, *(spaces.images if spaces else ())):
        try:
            host = parse_image(name).host
        except ImageReferenceError:
            continue
        if name == target.image or is_acr(host):
            return host
    return ""


def _why_not(name: str, host: str) -> str:
    scheme, mark, _ = name.partition("://")
    return f"it begins with {scheme}://" if mark and scheme in coder.PORTS else near(name, host)


def _name(registry: dict[str, Any]) -> str:
    return text(registry, "friendly_name") or text(registry, "id")


def tags(
    found: CoderApi,
    held: CoderEntries,
    let_in: Each[RefreshToken],
    target: Target,
    clock: Clock,
    wire: Wire,
) -> Looking[None]:
    """Coder has looked up the tags of the registry's images within the last hours."""
    wanted = {text(item, "id") for item in held.registries}
    organizations = dict.fromkeys(text(item, "organization_id") for item in held.registries)
    images = [
        image
        for name in organizations
        for image in _list(wire, found, target, "/api/v0/images", org=name, workspaces="false")
        if text(image, "registry", "id") in wanted
    ]
    if not images:
        yield NO_IMAGES(host=held.host)
        return
    times: dict[str, Any] = {}
    for image in images[:MOST]:
        shown = _list(wire, found, target, f"/api/v0/images/{text(image, 'id')}/tags")
        for tag in [*shown, mapping(image, "default_tag")]:
            at = moment(tag, "hash_last_updated_at")
            if at and text(tag, "tag"):
                times[f"{text(image, 'repository')}:{text(tag, 'tag')}"] = at
    if not times:
        raise CannotLookError("malformed: no tag tells when it was looked up")
    newest, now = max(times.values()), clock.now()
    since = f"{newest:%Y-%m-%dT%H:%M:%SZ}"
    if now - newest <= FRESH:
        yield FRESH_TAGS(host=held.host, since=since)
        for name, at in sorted(times.items()):
            if now - at > FRESH:
                yield SOME_STALE(tag=name, since=f"{at:%Y-%m-%dT%H:%M:%SZ}", host=held.host)
    elif len(let_in):
        yield STALE(host=held.host, since=since, hours=round((now - newest).total_seconds() / 3600))
    else:
        yield STALE_TOO(host=held.host, since=since)


CHECKS = (
    Check(
        "coder-api",
        "Coder's API answers, and is the workload's",
        api,
        sees=(UNTRUSTED, LOGIN_PAGE, OTHER_CODER, OTHER_VERSION, VERSION),
    ),
    Check(
        "coder-token",
        "its session token is good and may see enough",
        user,
        sees=(TOKEN_REFUSED, ROLE_LOW, V2_HEALTH),
    ),
    Check(
        "coder-flag",
        "Azure registry authentication is on in Coder",
        flag,
        sees=(ONE_FLAG_ONLY, FLAG_OFF, FLAG_OFF_UNUSED, FLAG_ON),
        optional=True,
    ),
    Check(
        "coder-registry",
        "Coder has an entry for the registry",
        entries,
        sees=(ENTRY_ABSENT, ENTRY_DIFFERS, ENTRY, ENTRY_KIND),
        optional=True,
    ),
    Check(
        "coder-tags",
        "Coder keeps up with the registry's tags",
        tags,
        sees=(NO_IMAGES, STALE, STALE_TOO, SOME_STALE, FRESH_TAGS),
        optional=True,
    ),
)
