"""What the kubelet pulls with: the images' names, the pull secrets, and which of them it takes."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from difflib import SequenceMatcher
from typing import Any

from acrcheck.api import (
    PULL_SECRET_FIELDS,
    SECRETS,
    SERVICE_ACCOUNTS,
    CannotLookError,
    Check,
    Clock,
    Cluster,
    Each,
    Entry,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Subject,
    Target,
    Vantage,
    fail,
    index_key,
    lookup,
    matches,
    note,
    warn,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.clouds import is_acr
from acrcheck.azure.image import ImageReference, ImageReferenceError, parse_image
from acrcheck.facts import (
    Credential,
    Image,
    Keyring,
    NamedSecret,
    Nodes,
    OwnToken,
    Path,
    Pod,
    PodIdentity,
    PullSecret,
    Tokens,
    Upcoming,
    Workload,
    Workspaces,
)

from .objects import mappings, number, text

INVALID = fail("image-reference-invalid", "{image} of {containers} is no image reference: {said}")
NOT_IN_POD = warn(
    "pull-secret-not-in-pod",
    "pod {pod} does not name pull secret {secret}: it was created before its service account did",
)
ABSENT = fail(
    "pull-secret-absent", "{source} names pull secret {secret}, which namespace {namespace} lacks", "host"
)
WRONG_TYPE = fail(
    "pull-secret-wrong-type",
    "secret {secret} is of type {type}, which the kubelet passes over in silence",
    "host",
)
UNREADABLE = fail(
    "pull-secret-unreadable",
    "secret {secret} cannot be read, and the kubelet then drops all pull secrets of the pod: {said}",
    "host",
)
EMPTY = fail(
    "pull-secret-empty", "secret {secret} holds no credential: its field {field} is missing or empty", "host"
)
ONLY_IDENTITY_TOKEN = fail(
    "pull-secret-identity-token",
    "{source} has only an identity token for {key}, which the kubelet does not read: it pulls anonymously",
    "secret",
    "host",
)
NO_PASSWORD = fail("pull-secret-no-password", "{source} has no {what} for {key}", "secret", "host")
WHITE_SPACE = fail(
    "pull-secret-white-space",
    "in {source} the {what} for {key} begins or ends with white space",
    "secret",
    "host",
)
DISAGREES = warn(
    "pull-secret-auth-disagrees",
    "in {source} `auth` for {key} is not the user name and password beside it: the kubelet takes `auth`",
    "secret",
    "host",
)
EXPIRED = fail(
    "pull-secret-expired",
    "{source} has a token for {key} that expired at {expires} (it is {now})",
    "secret",
    "host",
)
SHORT_LIVED = warn(
    "pull-secret-short-lived",
    "{source} has a registry token for {key} that ends at {expires}: it was made to last {hours} h",
    "secret",
    "host",
)
NEAR_HOST = warn(
    "pull-secret-near-host",
    "no pull secret matches {host}; {key} of secret {secret} does not: {why}",
    "username",
)
OTHER_HOSTS = note("pull-secret-other-hosts", "no pull secret is for {host}, only for {keys}")
ORDER = note("pull-order", "the kubelet tries for {image}: {order}")

PROVIDER_SUFFIXES = ("azurecr.io", "azurecr.cn", "azurecr.de", "azurecr.us")
"""What the node's credential provider is asked for (kubernetes-sigs/cloud-provider-azure, as AKS configures it)."""
ALIKE = 0.85
"""Above this likeness (0 to 1) a key was probably meant for the registry."""
WHITE_SPACES = {"username-white-space": "user name", "password-white-space": "password"}
MISSING = {"username-missing": "user name", "password-missing": "password"}


def images(workload: Workload, target: Target, upcoming: Maybe[Upcoming]) -> Looking[Each[Image]]:
    """The images of the workload's containers, and of those after an upgrade, have names that can be pulled."""
    named: dict[str, list[str]] = {}
    for field in ("initContainers", "containers"):
        for container in mappings(workload.pod_spec, field):
            named.setdefault(text(container, "image"), []).append(text(container, "name"))
    named.setdefault(target.image, []).append("--image")
    for reference in upcoming.value.images if upcoming.value else ():
        named.setdefault(reference, []).append("the upgrade")
    found = []
    for reference, containers in named.items():
        if not reference:
            continue
        image = Image(reference, tuple(containers), None)
        try:
            image = Image(reference, tuple(containers), parse_image(reference))
        except ImageReferenceError as error:
            seen = INVALID(image=reference, containers=", ".join(containers), said=str(error))
            yield seen.on(image.subject)
        found.append(image)
    return Each(tuple((image.subject, image) for image in found))


def secret_names(workload: Workload, pods: Each[Pod], cluster: Cluster) -> Looking[Each[NamedSecret]]:
    """The pull secrets are named where the pods get them from."""
    names = dict.fromkeys(_names(workload.pod_spec, "imagePullSecrets"), f"{workload.kind}/{workload.name}")
    if not names:
        account = text(workload.pod_spec, "serviceAccountName") or "default"
        answer = cluster.get(SERVICE_ACCOUNTS, account, workload.namespace)
        given = _names({} if answer.nothing else answer.value(), "imagePullSecrets")
        names = dict.fromkeys(given, f"service account {account}")
    for pod in pods:
        for secret in names:
            if secret not in _names(pod.spec, "imagePullSecrets"):
                yield NOT_IN_POD(pod=pod.name, secret=secret).on(pod.subject)
    found = [NamedSecret(name, workload.namespace, source) for name, source in names.items()]
    return Each(tuple((item.subject, item) for item in found))


def _names(item: object, field: str) -> list[str]:
    """The names of a list of references; the kubelet passes over empty ones."""
    return [name for entry in mappings(item, field) if (name := text(entry, "name"))]


def pull_secret(name: NamedSecret, found: Each[Image], cluster: Cluster, clock: Clock) -> Looking[PullSecret]:
    """The secret is there, of the right type, and holds whole credentials that have not expired."""
    answer = cluster.get(SECRETS, name.name, name.namespace)
    host = _host(found)
    if answer.nothing:
        yield ABSENT(source=name.source, secret=name.name, namespace=name.namespace, host=host)
        return PullSecret(name.name, "", ())
    body = answer.value()
    kind, problem = text(body, "type"), text(body, "problem")
    field = PULL_SECRET_FIELDS.get(kind)
    entries = tuple(mappings(body, "entries"))
    if field is None:
        yield WRONG_TYPE(secret=name.name, type=kind or "none", host=host)
    elif problem:
        yield UNREADABLE(secret=name.name, said=problem, host=host)
    elif not entries:
        yield EMPTY(secret=name.name, field=field, host=host)
    wanted = [item.reference for item in found if item.reference]
    for entry in entries:
        hosts = (
            item.host for item in wanted if _matches(text(entry, "key"), f"{item.host}/{item.repository}")
        )
        if meant := next(hosts, ""):
            yield from flaws(f"secret {name.name}", name.name, entry, meant, clock.now())
    return PullSecret(name.name, problem, entries)


def _host(found: Iterable[Image]) -> str:
    """The registry that a pull secret of the pods is for, as far as their images tell: an Azure one, else the first."""
    hosts = [image.reference.host for image in found if image.reference]
    return next(filter(is_acr, hosts), next(iter(hosts), "REGISTRY_HOST"))


def _matches(key: str, image: str) -> bool:
    plain = index_key(key)
    return plain is not None and matches(plain, image)


def flaws(source: str, secret: str, entry: dict[str, Any], host: str, now: datetime) -> Iterator[Observation]:
    """What is wrong with a credential for a host, as far as it can be seen without asking the registry."""
    key, remarks = text(entry, "key"), set(entry.get("remarks") or ())
    said = {"source": source, "secret": secret, "key": key, "host": host}
    if "password-missing" in remarks and "identitytoken-ignored" in remarks:
        yield ONLY_IDENTITY_TOKEN(**said)
    else:
        for remark in sorted(remarks & MISSING.keys()):
            yield NO_PASSWORD(**said, what=MISSING[remark])
    for remark in sorted(remarks & WHITE_SPACES.keys()):
        yield WHITE_SPACE(**said, what=WHITE_SPACES[remark])
    if "auth-disagrees" in remarks:
        yield DISAGREES(**said)
    ends, begins = number(entry, "claims", "exp"), number(entry, "claims", "iat")
    if ends and ends <= now.timestamp():
        yield EXPIRED(**said, expires=time_of(ends), now=time_of(int(now.timestamp())))
    elif ends:
        hours = round((ends - begins) / 3600) if begins else "a few"
        yield SHORT_LIVED(**said, expires=time_of(ends), hours=hours)


FLAWS = (ONLY_IDENTITY_TOKEN, NO_PASSWORD, WHITE_SPACE, DISAGREES, EXPIRED, SHORT_LIVED)


def time_of(seconds: int) -> str:
    """Write a moment, given in seconds since 1970, as reports do."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return str(seconds)


def keyring(image: Image, named: Each[NamedSecret], secrets: Each[PullSecret]) -> Looking[Keyring]:
    """Which credentials the kubelet takes for the image, in the order of use; never what they are."""
    if image.reference is None:
        raise NotApplicableError(f"{image.text} is no image reference")
    unread = {item.name for item in named} - {item.name for item in secrets}
    if unread:
        raise CannotLookError(f"pull secret {', '.join(sorted(unread))} could not be read")
    host, name = image.reference.host, f"{image.reference.host}/{image.reference.repository}"
    broken = any(secret.problem for secret in secrets)
    entries = {} if broken else dict(_entries(secrets))
    taken = lookup(entries, name)
    credentials = tuple(
        credential(entries[entry], host, source=f"secret {entry.secret}", secret=entry.secret)
        for entry in taken
    )
    provider = host.endswith(tuple(f".{suffix}" for suffix in PROVIDER_SUFFIXES))
    if not taken and entries:
        yield from _elsewhere(host, entries)
    order = [str(credential) for credential in credentials]
    order += ["the node's credential provider"] if provider else []
    order = [f"{place}. {what}" for place, what in enumerate([*order, "nobody (anonymous)"], 1)]
    yield ORDER(image=image.text, order=", ".join(order))
    return Keyring(image, tuple(item for item in credentials if item.password), provider)


def _entries(secrets: Iterable[PullSecret]) -> Iterator[tuple[Entry, dict[str, Any]]]:
    for secret in secrets:
        for entry in secret.entries:
            key, username, password = (text(entry, field) for field in ("key", "username", "password"))
            yield Entry(secret.name, key, username, password), entry


def credential(entry: dict[str, Any], host: str, **origin: str) -> Credential:
    """Give a credential, with the kind that its name is of; `origin` are its source and its secret."""
    username = text(entry, "username")
    kind = acr.kind_of(username, host) if is_acr(host) else "user name and password"
    return Credential(username=username, password=text(entry, "password"), kind=kind, **origin)


def _elsewhere(host: str, entries: Iterable[Entry]) -> Iterator[Observation]:
    """Tell of the keys that do not match, first of all of one that was probably meant to."""
    entries = tuple(entries)
    for entry in entries:
        why = near(entry.key, host)
        if why:
            username = shlex.quote(entry.username) if entry.username else "NAME"
            yield NEAR_HOST(host=host, key=entry.key, secret=entry.secret, username=username, why=why)
            return
    yield OTHER_HOSTS(host=host, keys=", ".join(sorted({entry.key for entry in entries})))


def near(key: str, host: str) -> str:
    """Why a key that was probably meant for a host does not match it; empty where it was not meant for it."""
    plain = key.strip().removeprefix("https://").removeprefix("http://")
    stored, _, path = plain.partition("/")
    name, _, port = stored.partition(":")
    same = name.lower() == host
    whys = (
        (same and key != key.strip(), "it has white space at its beginning or end"),
        (same and bool(port), f"it names port {port}, the image does not"),
        (same and name != host, "capitals do not match"),
        (same, f"its path /{path} is not where the image is"),
        (name == host.partition(".")[0], "it is the registry's name and not its host"),
        (_alike(name.lower(), host), "it is another host"),
    )
    return next((why for true, why in whys if true), "")


def _alike(name: str, host: str) -> bool:
    """Tell whether a name was misspelt: it is like the host, and no registry's that could be meant as it is."""
    return not is_acr(name) and SequenceMatcher(None, name, host).ratio() >= ALIKE


def paths(
    pods: Each[Pod],
    asked: Each[Tokens],
    owned: Each[OwnToken],
    nodes: Maybe[Nodes],
    keyrings: Each[Keyring],
    workload: Workload,
    wanted: Maybe[PodIdentity],
    spaces: Maybe[Workspaces],
    target: Target,
) -> Looking[Each[Path]]:
    """Which registries, from where: the workload's from one pod on each node, those of its pull secrets from one."""
    image = _image(workload, spaces.value, target)
    host = target.registry or (image.host if image else "")
    others = dict.fromkeys(
        ring.image.reference.host for ring in keyrings if ring.credentials and ring.image.reference
    )
    if not host and not others:
        raise NotApplicableError("no registry is known: name one with --registry or --image")
    vantages = {subject: given.vantage for subject, given in asked.items}
    public = tuple((node.name, node.public) for node in nodes.value.by_name.values()) if nodes.value else None
    tokens = dict(owned.items)
    platforms = {
        name: (node.os, node.arch) for name, node in (nodes.value.by_name if nodes.value else {}).items()
    }
    every = tuple(dict.fromkeys(platforms.values()))
    chosen: dict[str, Path] = {}
    for pod in sorted(pods, key=lambda pod: (pod.node != target.node, pod.subject not in tokens, pod.name)):
        if pod.exec_problem:
            continue
        vantage = _vantage(pod, target, vantages)
        node = vantage.node or pod.node
        if vantage.node in chosen:
            continue
        chosen[vantage.node] = Path(
            pod=vantage.pod,
            node=vantage.node,
            vantage=vantage,
            host=host,
            public=public,
            identity=wanted.value is not None,
            image=image,
            tokens=tokens.get(pod.subject),
            coder=workload.coder,
            platforms=tuple(dict.fromkeys((platforms[node], *every))) if node in platforms else (),
        )
    yield from ()
    found = [path for _, path in sorted(chosen.items())]
    more = [
        replace(path, host=name, identity=False, image=None, tokens=None)
        for path in found[:1]
        for name in others
        if name != host
    ]
    return Each(tuple((path.subject, path) for path in (*(found if host else ()), *more)))


def _vantage(pod: Pod, target: Target, found: dict[Subject, Vantage]) -> Vantage:
    """From where the registry is asked for a pod: as was said, else from where its token was asked for."""
    if target.vantage == "local":
        return Vantage("local")
    if target.vantage:
        node = target.node or pod.node
        return Vantage(target.vantage, pod.namespace, pod.name, pod.container, node)
    return found.get(pod.subject, Vantage("exec", pod.namespace, pod.name, pod.container, pod.node))


def _image(workload: Workload, spaces: Workspaces | None, target: Target) -> ImageReference | None:
    """The image named, else the workload's own from the registry, else one of Coder's workspaces."""
    texts = [target.image] if target.image else []
    for field in ("containers", "initContainers"):
        texts += [text(item, "image") for item in mappings(workload.pod_spec, field)]
    for reference in (*texts, *(spaces.images if spaces else ())):
        try:
            image = parse_image(reference)
        except ImageReferenceError:
            continue
        if (
            reference == target.image
            or image.host == target.registry
            or (not target.registry and is_acr(image.host))
        ):
            return image
    return None


CHECKS = (
    Check("images", "the images have names that can be pulled", images, sees=(INVALID,)),
    Check(
        "pull-secret-names",
        "the pods name their pull secrets",
        secret_names,
        sees=(NOT_IN_POD,),
        asks=(("get", "serviceaccounts"),),
        optional=True,
    ),
    Check(
        "pull-secrets",
        "the pull secret is whole",
        pull_secret,
        sees=(ABSENT, WRONG_TYPE, UNREADABLE, EMPTY, *FLAWS),
        each=NamedSecret,
        asks=(("get", "secrets"),),
        optional=True,
    ),
    Check(
        "keyring",
        "what the kubelet pulls with is known",
        keyring,
        sees=(NEAR_HOST, OTHER_HOSTS, ORDER),
        each=Image,
        optional=True,
    ),
    Check("registry-paths", "registry and pods to ask from are known", paths),
)
