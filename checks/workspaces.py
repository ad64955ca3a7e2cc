"""Coder's workspaces: what their pods wait for, and what the kubelet pulls for them with."""

from acrcheck.api import (
    PODS,
    SERVICE_ACCOUNTS,
    Check,
    Clock,
    Cluster,
    Each,
    Looking,
    Maybe,
    NotApplicableError,
    Outcome,
    note,
    warn,
)
from acrcheck.azure import registry as acr
from acrcheck.azure.clouds import is_acr
from acrcheck.azure.image import ImageReferenceError, parse_image
from acrcheck.facts import Image, NamedSecret, PodEvents, PodIdentity, Workload, Workspaces

from .kubelet import FAILED, failed_pulls
from .objects import mappings, text
from .pull import ABSENT, EMPTY, FLAWS, UNREADABLE, WRONG_TYPE, credential, pull_secret
from .workload import ENDED, read_pod

LABEL = "com.coder.resource=true"
"""What charts and templates of both versions label workspaces with."""
ACCOUNT = "environments"
"""The service account of workspaces (enterprise-helm, all charts)."""
MOST = 20
"""Pods that wait, and pull secrets, that are looked at: all are made in one way."""
STATIC = frozenset({acr.ADMIN, acr.PRINCIPAL, acr.SCOPED_TOKEN})

ELSEWHERE = note(
    "workspaces-elsewhere",
    "{count} workspace pods are in {namespaces}: acrcheck run -n NAMESPACE --workload pod/NAME checks one of them",
)
COUNTED = note(
    "workspaces-seen", "{count} workspace pods are in namespace {namespace}, {waiting} wait for an image"
)
STATIC_SECRET = warn(
    "workspace-secret-static",
    "pull secret {secret} of a workspace holds {kind} {username} for {host}: Coder makes it from its registry entry, "
    "which then seems to have static credentials, while the control plane is to have a pod identity",
)


def workspaces(found: Workload, cluster: Cluster) -> Looking[Workspaces]:
    """The pods of Coder's workspaces can be seen."""
    if not (found.coder or found.coder_v2):
        raise NotApplicableError(f"{found.kind}/{found.name} is not Coder's")
    answer = cluster.list(PODS, "", LABEL)
    if answer.outcome is Outcome.FORBIDDEN:
        answer = cluster.list(PODS, found.namespace, LABEL)
    every = [read_pod(item) for item in answer.items() if text(item, "status", "phase") not in ENDED]
    pods = [pod for pod in every if pod.namespace == found.namespace and not pod.terminating]
    elsewhere = [pod.namespace for pod in every if pod.namespace != found.namespace]
    if elsewhere:
        yield ELSEWHERE(count=len(elsewhere), namespaces=", ".join(sorted(set(elsewhere))[:5]))
    if not pods:
        raise NotApplicableError(f"no workspace runs in namespace {found.namespace}")
    waiting = sum(1 for pod in pods if pod.exec_problem)
    yield COUNTED(count=len(pods), namespace=found.namespace, waiting=waiting)
    return Workspaces(tuple(pods))


def pulls(found: Workspaces, events: Maybe[PodEvents]) -> Looking[None]:
    """No workspace waits for its image."""
    waiting = [pod for pod in found.pods if pod.exec_problem]
    for pod in waiting[:MOST]:
        told = events.value.by_pod.get(pod.name, ()) if events.value else ()
        yield from failed_pulls(pod, told)


def secrets(
    found: Maybe[Workspaces], workload: Workload, identity: Maybe[PodIdentity], cluster: Cluster, clock: Clock
) -> Looking[None]:
    """The pull secrets of the workspaces are whole, and of the kind that the control plane's identity is."""
    spaces = found.value or Workspaces(())
    named = _secret_names(spaces, workload, cluster)
    images = _images(spaces)
    for name, source in list(named.items())[:MOST]:
        secret = NamedSecret(name, workload.namespace, source)
        held = yield from pull_secret(secret, images, cluster, clock)
        for entry in held.entries if identity.value and workload.coder else ():
            host = text(entry, "key").removeprefix("https://").partition("/")[0].lower()
            used = credential(entry, host, source=f"secret {name}", secret=name)
            if is_acr(host) and used.kind in STATIC:
                seen = STATIC_SECRET(secret=name, kind=used.kind, username=used.username, host=host)
                yield seen.on(secret.subject)


def _secret_names(spaces: Workspaces, workload: Workload, cluster: Cluster) -> dict[str, str]:
    """Name the pull secrets of workspaces, and who names each. Raises NotApplicableError where nobody names any.

    The next workspace has those of the service account too, which version 1 creates under this name.
    """
    if not (workload.coder or workload.coder_v2):
        raise NotApplicableError(f"{workload.kind}/{workload.name} is not Coder's")
    named = {
        text(item, "name"): f"workspace pod {pod.name}"
        for pod in spaces.pods
        for item in mappings(pod.spec, "imagePullSecrets")
    }
    if workload.coder:
        answer = cluster.get(SERVICE_ACCOUNTS, ACCOUNT, workload.namespace)
        given = mappings(
            {} if answer.nothing or (named and not answer.ok) else answer.value(), "imagePullSecrets"
        )
        named = {**{text(item, "name"): f"service account {ACCOUNT}" for item in given}, **named}
    named.pop("", None)
    if not named:
        raise NotApplicableError("no workspace names a pull secret: the node's identity pulls for them")
    return named


def _images(found: Workspaces) -> Each[Image]:
    """The images of workspaces that have names that can be pulled."""
    images = []
    for name in found.images:
        try:
            images.append(Image(name, (), parse_image(name)))
        except ImageReferenceError:
            continue
    return Each(tuple((image.subject, image) for image in images))


CHECKS = (
    Check(
        "workspaces",
        "the pods of its workspaces can be seen",
        workspaces,
        sees=(ELSEWHERE, COUNTED),
        asks=(("list", "pods", "all"), ("list", "pods")),
        optional=True,
    ),
    Check("workspace-images", "no workspace waits for its image", pulls, sees=(FAILED,), optional=True),
    Check(
        "workspace-secrets",
        "the workspaces' pull secrets are whole",
        secrets,
        sees=(STATIC_SECRET, ABSENT, WRONG_TYPE, UNREADABLE, EMPTY, *FLAWS),
        asks=(("get", "serviceaccounts"), ("get", "secrets")),
        optional=True,
    ),
)
