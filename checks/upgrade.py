"""Before an upgrade: whether what works now will work afterwards."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from acrcheck.api import (
    NODES,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SECRETS,
    CannotLookError,
    Check,
    Clock,
    Cluster,
    Each,
    Kind,
    Looking,
    Maybe,
    NotApplicableError,
    Observation,
    Status,
    Subject,
    Target,
    Vantage,
    Wire,
    fail,
    note,
    selects,
    warn,
)
from acrcheck.azure.clouds import cloud_of
from acrcheck.azure.imds import listen, token_request
from acrcheck.facts import (
    AccessToken,
    ApiServer,
    ChartValues,
    HelmRelease,
    Identity,
    IdentityObjects,
    KubeletPull,
    Manifest,
    OwnToken,
    Path,
    Pod,
    PodIdentity,
    Pool,
    PullSecret,
    Rollout,
    Route,
    Tokens,
    Trusted,
    Upcoming,
    Workload,
)
from acrcheck.helm.values import at

from . import THRESHOLDS, asking, chart
from .binding import IN_SCALE_SET, RESOURCE_GROUP, is_ready, nmi_pods, scale_set_of
from .label import LABEL
from .manifests import need_token
from .objects import mapping, mappings, moment, name, number, text, texts
from .trial import LEAVE, may_host, operating_system, pool_of
from .workload import CHART, release_of

OLD_IMAGE = warn(
    "upgrade-image-of-other-version",
    "{origin} name coderd.image {image}: the pods would keep it under chart {version}, with which {wanted} belongs",
)
TO = note("upgrade-planned", "from chart {current} to {version}, images {images}")
POD_NOT_NOW = fail("upgrade-pod-not-well", "pod {pod} is not well now, before anything is changed: {what}")
ROUTE_NOT_NOW = fail(
    "upgrade-image-not-had", "{image} cannot be had from {pod} now, before anything is changed: {what}"
)
SKIPS = fail(
    "upgrade-skips-minors",
    "from chart {current} to {version} is more than one minor version: {next} comes first",
    "release",
    "release_namespace",
)
BACKWARDS = fail("upgrade-backwards", "chart {version} is older than {current}, which is deployed")
CODER_2 = fail("upgrade-to-coder-2", "chart {version} is of Coder 2, to which nothing leads from {current}")
OLD_KUBERNETES = fail(
    "upgrade-kubernetes-too-old", "chart {version} needs Kubernetes {wanted}, the API server is {found}"
)
RENAMES = warn(
    "upgrade-renames-deployment",
    "chart {version} calls the Deployment {after} in place of {before}: helm deletes one and makes the other",
)
REFUSED = fail("upgrade-values-refused", "chart {version} fails at {keys} of {origin}")
LOSES = fail(
    "upgrade-loses-label",
    "after the upgrade the pods' label aadpodidbinding is {after}; now it is {selector} (chart {version}, {origin})",
)
KEEPS = note("upgrade-keeps-label", "after the upgrade the pods carry aadpodidbinding={selector} ({origin})")
PULLABLE = note("upgrade-images-pullable", "every pool pulls {images}")
NO_SNAPSHOT = fail(
    "rollback-without-snapshot",
    "from {current} to {version} the database is migrated, one way, and no snapshot of it is declared",
)
SNAPSHOT = note("rollback-snapshot", "the way back begins with snapshot {snapshot} of the database")
NO_REVISION = fail(
    "rollback-revision-missing",
    "no revision of release {release} in namespace {release_namespace} is `deployed`: which to go back to is not known",
)
WAY_BACK = note(
    "rollback-images-had", "the images of the revision that is deployed can be had again: {images}"
)
REVISION = note("rollback-revision", "revision {revision} of release {release} can be gone back to")
ENDS = fail("upgrade-credential-ends", "{what} ends at {ends}, within {window} from now", "secret")
CERTIFICATE_ENDS = fail(
    "upgrade-certificate-ends", "the certificate of {host} ends at {ends}, within {window} from now"
)
RENEWED = note(
    "upgrade-token-renewed", "the token of pod {pod} ends at {ends}; a new one is given for the asking"
)
POOL_WINDOWS = fail(
    "pool-is-windows", "pool {pool} is of Windows nodes, and nothing keeps the next pods from it ({node})"
)
POOL_WITHOUT_NMI = fail(
    "pool-without-nmi", "pool {pool}: no NMI is ready on node {node}, where a pod may land"
)
POOL_REFUSED = fail(
    "pool-without-token", "a throw-away pod on node {node} of pool {pool} gets no token: {said}"
)
POOL_LACKS = fail(
    "pool-lacks-identity",
    "IMDS has no such identity for a throw-away pod on node {node} of pool {pool}: Identity not found",
    "resource_id",
)
POOL_OTHER = fail(
    "pool-token-of-another-identity",
    "a throw-away pod on node {node} of pool {pool} is given a token of client id {got}, not of {wanted}",
)
POOL_TOKEN = note("pool-token", "pool {pool} gives the identity's token ({where})")
POOL_YOUNGER = note(
    "pool-younger-than-identity", "pool {pool} is of {made}, younger than AzureIdentity {identity} ({since})"
)
NO_ROOM = fail(
    "no-room-for-surge",
    "the rollout starts {surge} pod(s) before it ends one, and no node has room for {cpu} CPU and {memory} MiB: {most}",
)
FEW = warn(
    "upgrade-few-replicas", "{replicas} replica(s) are less than {wanted}: a pod that fails is an outage"
)
BUDGET = warn(
    "disruption-budget-blocks",
    "PodDisruptionBudget {budget} allows no pod to be evicted: a node that is drained meanwhile waits",
)

RELEASE = "coder"
"""What the documentation calls the release, where Helm has not made the workload."""
MINUTE = 60
QUANTITIES = {
    "": 1.0,
    "m": 0.001,
    **{unit: 1024.0**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
    **{unit: 1000.0**power for power, unit in enumerate(("k", "M", "G", "T"), 1)},
}
MEBI = 1 << 20
Room = tuple[float, float]
"""CPUs and bytes of memory."""


def planned(workload: Workload, target: Target, kept: Maybe[ChartValues]) -> Looking[Upcoming]:
    """What the upgrade would install: the chart, the images, and what the pods get of the values.

    Without values files, those of the release are taken, as it is recommended to hand them on.
    """
    current = _chart(workload)
    version = (target.to_chart or current).removeprefix("v") if workload.coder else ""
    images = [target.to_image] if target.to_image else []
    labels: dict[str, Any] | None = None
    refused: tuple[str, ...] = ()
    origin = ""
    given: dict[str, Any] | None = None
    if target.values is not None:
        given, origin = target.values.values, ", ".join(target.values.files) or "the values given"
    elif kept.value is not None:
        given, origin = kept.value.tree, f"{kept.value.origin} as it is now"
    if given is not None and version and not version.startswith("2."):
        made = chart.rendered(given, version)
        labels, refused = made.labels, made.refused
        images += [] if target.to_image else made.images.values()
    if given is not None and not target.to_image:
        yield from _old_image(given, version, origin)
    yield TO(
        current=current or "(unknown)", version=version or "(none)", images=", ".join(images) or "(unknown)"
    )
    return Upcoming(current, version, tuple(dict.fromkeys(images)), labels, refused, origin)


def _old_image(given: dict[str, Any], version: str, origin: str) -> Iterator[Observation]:
    """Tell of an image that the values name, and that is of another version than the chart that is to come."""
    key, repository = chart.IMAGES["coderd"]
    image, wanted = at(given, *key.split(".")), chart.version_of(version)
    tagged = chart.version_of(image.rpartition(":")[2].partition("@")[0]) if isinstance(image, str) else None
    if tagged and wanted and tagged != wanted:
        yield OLD_IMAGE(
            origin=origin, image=image, version=version, wanted=f"{repository}:{chart.written(wanted)}"
        )


def _chart(workload: Workload) -> str:
    """Give the version of the deployed chart: by its label, else by the image, which is of the same version."""
    found = CHART.fullmatch(texts(workload.manifest, "metadata", "labels").get("helm.sh/chart", ""))
    if found:
        return found["version"].removeprefix("v")
    images = [text(item, "image") for item in mappings(workload.pod_spec, "containers")]
    tags = [image.rpartition(":")[2] for image in images if "coder-service:" in image]
    return next((tag.removeprefix("v") for tag in tags if chart.version_of(tag)), "")


def pod_now(
    pod: Pod,
    planned: Upcoming,
    rollout: Rollout,
    wanted: Maybe[PodIdentity],
    asked: Maybe[Tokens],
    owned: Maybe[OwnToken],
) -> Looking[None]:
    """The pod runs, is of the newest template, and has its token."""
    del planned  # before an upgrade only
    problems = [
        (bool(pod.exec_problem), pod.exec_problem),
        (not pod.ready, "it is not ready"),
        (not rollout.complete, "the last rollout is not complete"),
        (bool(wanted.value) and Status.FAIL in {asked.status, owned.status}, "it gets no token of its own"),
    ]
    said = [what for true, what in problems if true]
    if said:
        yield POD_NOT_NOW(pod=pod.name, what="; ".join(said))


def route_now(
    route: Route, planned: Upcoming, tokens: Each[AccessToken], manifest: Maybe[Manifest]
) -> Looking[None]:
    """The image can be had on this way."""
    del planned  # before an upgrade only
    token = need_token(route, tokens)
    if not token.pulls or manifest.status is Status.FAIL:
        what = "its manifest is not given" if token.pulls else "the registry grants no pull"
        yield ROUTE_NOT_NOW(image=route.image or route.path.host, pod=route.path.begins, what=what)


def steps(planned: Upcoming, server: ApiServer, workload: Workload) -> Looking[None]:
    """The chart is reached by a step that is supported, on this Kubernetes."""
    old, new = chart.version_of(planned.current), chart.version_of(planned.version)
    if not workload.coder or new is None:
        raise NotApplicableError(
            "the workload is not of Coder's chart, and no chart is named: --to-chart VERSION"
        )
    if old is None:
        raise CannotLookError("neither the Deployment's labels nor its image say which chart is deployed")
    said = {"current": planned.current, "version": planned.version}
    if new[0] > old[0]:
        yield CODER_2(**said)
        return
    if new < old:
        yield BACKWARDS(**said)
    elif new[1] > old[1] + 1:
        release, where = release_of(workload) or (RELEASE, workload.namespace)
        yield SKIPS(**said, next=f"the last {old[0]}.{old[1] + 1}", release=release, release_namespace=where)
    wanted, found = chart.kubernetes_for(new), chart.version_of(server.version)
    if wanted and found and found[:2] < wanted:
        yield OLD_KUBERNETES(version=planned.version, wanted=".".join(map(str, wanted)), found=server.version)
    if workload.name == chart.OLD_SERVICE and new >= chart.WITHOUT_OLD_SERVICE:
        yield RENAMES(version=planned.version, before=workload.name, after=chart.SERVICE)


def values(planned: Upcoming) -> Looking[None]:
    """The chart takes the values."""
    _refuse_without_values(planned)
    if planned.refused:
        yield REFUSED(version=planned.version, keys=", ".join(planned.refused), origin=planned.origin)


def _refuse_without_values(planned: Upcoming) -> None:
    """Raise the reason where nobody said by which values the chart is to be installed."""
    if not planned.version:
        raise NotApplicableError("the workload is not of Coder's chart")
    if planned.labels is None:
        raise CannotLookError(
            "nobody said by which values the chart is to be installed, and those of the release are not known",
            remedy="run again with --values FILE, what `helm get values RELEASE -n NAMESPACE -o yaml` gives",
        )


def label(planned: Upcoming, workload: Workload, wanted: PodIdentity) -> Looking[None]:
    """The label is on the pods afterwards, as it is now."""
    del wanted  # else there is none to keep
    _refuse_without_values(planned)
    now = workload.template_labels.get(LABEL)
    after = (planned.labels or {}).get(LABEL)
    if now is None:
        raise NotApplicableError("the pods have no label now", blocked_by="label-template")
    if after == now:
        yield KEEPS(selector=now, origin=planned.origin)
    else:
        yield LOSES(
            selector=now,
            after="missing" if after is None else repr(after),
            version=planned.version,
            origin=planned.origin,
        )


def images(planned: Upcoming, pools: Each[Pool], pulled: Each[KubeletPull], target: Target) -> Looking[None]:
    """Every pool on which a pod may land has pulled every image just now, with the next pods' credentials."""
    if not planned.images:
        raise CannotLookError(
            "which images the upgrade brings is not known: give --values FILE or --to-image IMAGE"
        )
    if LEAVE not in target.allow:
        raise CannotLookError(
            f"whether the nodes can pull {', '.join(planned.images)} shows only in a pull that is tried",
            remedy=f"run again with --allow {LEAVE}",
        )
    found = {(pull.image, pull.pool): pull.ok for pull in pulled}
    wanted = [(image, pool.name) for image in planned.images for pool in pools]
    if any(found.get(each) is False for each in wanted):
        raise NotApplicableError("an image cannot be pulled", blocked_by="kubelet-pull")
    missing = [f"{image} on pool {pool}" for image, pool in wanted if (image, pool) not in found]
    if missing:
        raise CannotLookError(f"not tried, or without an end: {', '.join(missing)}")
    if not wanted:
        raise CannotLookError("no pool is known on which the pods may land")
    yield PULLABLE(images=", ".join(planned.images))


def rollback(planned: Upcoming, workload: Workload, cluster: Cluster, target: Target) -> Looking[None]:
    """There is a way back."""
    old, new = chart.version_of(planned.current), chart.version_of(planned.version)
    if not workload.coder or not old or not new:
        raise NotApplicableError("the workload is not of Coder's chart, or the chart's version is not known")
    if target.database_snapshot:
        yield SNAPSHOT(snapshot=target.database_snapshot)
    elif new[:2] != old[:2]:
        yield NO_SNAPSHOT(current=planned.current, version=planned.version)
    owner = release_of(workload)
    if owner is None:
        return
    release, where = owner
    answer = cluster.list(SECRETS, where, f"owner=helm,name={release}", metadata_only=True)
    revisions = [texts(item, "metadata", "labels") for item in answer.items()]
    if not revisions:
        raise CannotLookError(
            f"namespace {where} holds no Secret of Helm release {release}: it is kept elsewhere",
            remedy=f"{target.helm} history {release} -n {where}",
        )
    deployed = [labels for labels in revisions if labels.get("status") == "deployed"]
    if deployed:
        yield REVISION(revision=max(int(item.get("version", "0")) for item in deployed), release=release)
    else:
        yield NO_REVISION(release=release, release_namespace=where)


def rollback_images(
    planned: Upcoming,
    workload: Workload,
    kept: Maybe[HelmRelease],
    ways: Each[Route],
    manifests: Each[Manifest],
    pulled: Each[KubeletPull],
    pools: Each[Pool],
) -> Looking[None]:
    """The images of the revision that is deployed now can be had again, when it is gone back to."""
    del planned  # before an upgrade only
    if release_of(workload) is None:
        raise NotApplicableError("Helm does not make the workload")
    wanted = _deployed_images(workload, kept.value)
    tried = {(pull.image, pull.ok) for pull in pulled}
    if any((image, False) in tried for image in wanted):
        raise NotApplicableError("an image cannot be pulled", blocked_by="kubelet-pull")
    there = {str(way.image) for subject, way in ways.items if subject in dict(manifests.items)}
    held = [{item for node in pool.nodes for item in _held(node)} for pool in pools]
    unknown = [
        image
        for image in wanted
        if (image, True) not in tried
        and image not in there
        and not (held and all(image in names for names in held))
    ]
    if unknown:
        raise CannotLookError(
            f"whether {', '.join(unknown)} could be pulled again shows only in a pull that is tried",
            remedy=f"run again with --allow {LEAVE}",
        )
    yield WAY_BACK(images=", ".join(wanted))


def _deployed_images(workload: Workload, kept: HelmRelease | None) -> list[str]:
    """Name the images of the deployed revision: as Helm rendered it, else as the workload has them."""
    rendered = mappings(kept.deployed, "deployments") if kept else []
    made = next((item for item in rendered if name(item) == workload.name), workload.manifest)
    containers = mappings(made, "spec", "template", "spec", "containers")
    return list(dict.fromkeys(image for item in containers if (image := text(item, "image"))))


def _held(node: dict[str, Any]) -> Iterator[str]:
    """Name the images that a node says it has."""
    for item in mappings(node, "status", "images"):
        yield from item.get("names") or ()


def window(
    planned: Upcoming,
    secrets: Each[PullSecret],
    paths: Each[Path],
    certificates: Each[Trusted],
    tokens: Each[OwnToken],
    clock: Clock,
    target: Target,
) -> Looking[None]:
    """Credentials and certificates outlive the time that the upgrade may take."""
    del planned  # before an upgrade only
    now, length = clock.now(), _threshold(target, "window")
    until = now + timedelta(seconds=length)
    said = f"{length / MINUTE:.0f} min"
    for secret in secrets:
        for entry in secret.entries:
            ends = number(entry, "claims", "exp")
            if now.timestamp() < ends <= until.timestamp():
                what = f"the token for {text(entry, 'key')} in secret {secret.name}"
                seen = ENDS(what=what, ends=_stamp(ends), window=said, secret=secret.name)
                yield seen.on(Subject(f"secret/{secret.name}", frozenset({f"secret/{secret.name}"})))
    hosts = dict(paths.items)
    for subject, certificate in certificates.items:
        ends_at = _moment(certificate.expires)
        if ends_at and now < ends_at <= until and subject in hosts:
            yield CERTIFICATE_ENDS(host=hosts[subject].host, ends=certificate.expires, window=said).on(
                subject
            )
    for subject, token in tokens.items:
        ends = number(token.claims, "exp")
        if ends and ends <= until.timestamp():
            yield RENEWED(pod=subject.name.partition("/")[2], ends=_stamp(ends)).on(subject)


def _threshold(target: Target, key: str) -> float:
    """Give a number by which to measure: the run's, else the one that is meant where none is said."""
    if key in target.thresholds:
        return target.thresholds[key]
    said = THRESHOLDS[key]
    return float(said) if isinstance(said, int) else float(said.removesuffix("h")) * 60 * MINUTE


def _stamp(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(said: str) -> datetime | None:
    return moment({"at": said}, "at")


def pools(planned: Upcoming, workload: Workload, cluster: Cluster) -> Looking[Each[Pool]]:
    """The pools on which the next pods may land are of Linux nodes."""
    del planned  # before an upgrade only
    found: dict[str, list[dict[str, Any]]] = {}
    for node in sorted(cluster.list(NODES).items(), key=name):
        if not may_host(node, workload.pod_spec):
            continue
        if operating_system(node) == "windows":
            subject = Subject(f"node/{name(node)}", frozenset({f"node/{name(node)}"}))
            yield POOL_WINDOWS(pool=pool_of(node), node=name(node)).on(subject)
        else:
            found.setdefault(pool_of(node), []).append(node)
    made = [Pool(pool, tuple(nodes)) for pool, nodes in sorted(found.items())]
    return Each(tuple((pool.subject, pool) for pool in made))


def pool_nmi(pool: Pool, wanted: PodIdentity, cluster: Cluster) -> Looking[None]:
    """NMI is ready on each node of the pool."""
    del wanted  # else nobody needs it
    ready = {text(item, "spec", "nodeName") for item in nmi_pods(cluster) if is_ready(item)}
    for node in pool.nodes:
        if name(node) not in ready:
            place = frozenset({f"node/{name(node)}"})
            yield POOL_WITHOUT_NMI(pool=pool.name, node=name(node)).on(Subject(pool.subject.name, place))


def pool_token(
    pool: Pool,
    wanted: PodIdentity,
    objects: Maybe[IdentityObjects],
    pods: Each[Pod],
    identities: Each[Identity],
    owned: Each[OwnToken],
    wire: Wire,
    target: Target,
) -> Looking[None]:
    """A pod on the pool gets the identity's token."""
    del wanted  # else it asks for none
    nodes = {name(node) for node in pool.nodes}
    tokens = dict(owned.items)
    here = [pod for pod in pods if pod.node in nodes]
    served = next((pod for pod in here if pod.subject in tokens), None)
    if served is not None:
        yield POOL_TOKEN(pool=pool.name, where=f"to pod {served.name}")
        return
    if here:
        raise NotApplicableError(f"no pod on pool {pool.name} has its token", blocked_by="token-identity")
    yield from _ages(pool, objects)
    yield from _scale_sets(pool)
    like = next(iter(pods), None)
    if like is None:
        raise NotApplicableError("no pod to make a throw-away pod like", blocked_by="pods")
    if LEAVE not in target.allow:
        raise CannotLookError(
            f"no pod of the workload is on pool {pool.name} to ask from",
            remedy=f"run again with --allow {LEAVE}",
        )
    identity = next(iter(identities), None)
    yield from _asked(pool, like, identity, wire=wire, target=target)


def _asked(
    pool: Pool, like: Pod, identity: Identity | None, *, wire: Wire, target: Target
) -> Iterator[Observation]:
    """Ask for a token from a throw-away pod on the first node of a pool."""
    client_id = identity.client_id if identity else target.identity_client_id
    node = name(pool.nodes[0])
    vantage = Vantage("pod", like.namespace, like.name, like.container, node)
    cloud = cloud_of(target.cloud, target.registry)
    answer = wire.request(vantage, token_request(cloud.arm_audience, client_id))
    spoken = listen(answer)
    where = {"node": node, "pool": pool.name}
    if spoken.trouble is not None:
        asking.refuse_blind(answer, like.name)  # type: ignore[arg-type]  # a trouble is a failure's
    got = text(spoken.claims, "appid")
    if spoken.token and client_id and got and got != client_id:
        yield POOL_OTHER(**where, got=got, wanted=client_id)
    elif spoken.token:
        yield POOL_TOKEN(pool=pool.name, where=f"to a throw-away pod on node {node}")
    elif "Identity not found" in spoken.text:
        resource_id = identity.resource_id if identity else "IDENTITY_RESOURCE_ID"
        yield POOL_LACKS(**where, resource_id=resource_id)
    else:
        yield POOL_REFUSED(**where, said=spoken.text[:200] or str(spoken.trouble))


def _ages(pool: Pool, objects: Maybe[IdentityObjects]) -> Iterator[Observation]:
    """Say that a pool came after the identity: nobody may have assigned it there."""
    made = [since for node in pool.nodes if (since := moment(node, "metadata", "creationTimestamp"))]
    for item in objects.value.identities if objects.value else ():
        since = moment(item, "metadata", "creationTimestamp")
        if since and made and min(made) > since:
            yield POOL_YOUNGER(
                pool=pool.name, made=f"{min(made):%Y-%m-%d}", identity=name(item), since=f"{since:%Y-%m-%d}"
            )


def _scale_sets(pool: Pool) -> Iterator[Observation]:
    """Name the pool's scale set, for what mends it."""
    node = pool.nodes[0]
    group = RESOURCE_GROUP.search(text(node, "spec", "providerID"))
    if scale_set := scale_set_of(node):
        yield IN_SCALE_SET(node=name(node), scale_set=scale_set, node_group=group[1] if group else "")


def disruption(
    planned: Upcoming,
    workload: Workload,
    rollout: Rollout,
    pools: Each[Pool],
    cluster: Cluster,
    target: Target,
) -> Looking[None]:
    """The rollout has room, and enough replicas go on meanwhile."""
    del planned  # before an upgrade only
    wanted = int(_threshold(target, "replicas"))
    if rollout.replicas < wanted:
        yield FEW(replicas=rollout.replicas, wanted=wanted)
    for item in cluster.list(POD_DISRUPTION_BUDGETS, workload.namespace).items():
        if selects(mapping(item, "spec", "selector"), workload.template_labels):
            status = mapping(item, "status")
            if number(status, "expectedPods") and not number(status, "disruptionsAllowed"):
                yield BUDGET(budget=name(item))
    surge = _surge(workload, rollout.replicas)
    needs = _requests([workload.pod_spec])
    if not surge or not any(needs):
        return
    taken: dict[str, list[dict[str, Any]]] = {}
    for item in cluster.list(PODS).items():
        if text(item, "status", "phase") not in {"Succeeded", "Failed"}:
            taken.setdefault(text(item, "spec", "nodeName"), []).append(mapping(item, "spec"))
    rooms = {
        name(node): _left(node, taken.get(name(node), []))
        for pool in pools
        for node in pool.nodes
        if not mapping(node, "spec").get("unschedulable")
    }
    places = sum(_fits(room, needs) for room in rooms.values())
    if rooms and places < surge:
        best = max(rooms, key=lambda node: min(rooms[node][0] - needs[0], rooms[node][1] - needs[1]))
        most = f"{best} has {rooms[best][0]:.2f} CPU and {rooms[best][1] / MEBI:.0f} MiB left"
        yield NO_ROOM(surge=surge, cpu=f"{needs[0]:.2f}", memory=f"{needs[1] / MEBI:.0f}", most=most)


def _surge(workload: Workload, replicas: int) -> int:
    """Count the pods that must start before one may end (Deployment, strategy RollingUpdate); 0 for none."""
    if workload.kind != "deployment" or text(workload.manifest, "spec", "strategy", "type") == "Recreate":
        return 0
    rolling = mapping(workload.manifest, "spec", "strategy", "rollingUpdate")
    unavailable = math.floor(_share(text(rolling, "maxUnavailable") or "25%", replicas))
    return 0 if unavailable else max(1, math.ceil(_share(text(rolling, "maxSurge") or "25%", replicas)))


def _share(said: str, of: int) -> float:
    share = said.removesuffix("%")
    if not share.isdigit():
        return 0.0
    return int(share) * of / 100 if said.endswith("%") else float(share)


def _requests(specs: Iterable[dict[str, Any]]) -> Room:
    """Add up what pods ask for, as the scheduler counts it."""
    cpu = memory = 0.0
    for spec in specs:
        cpu += _needed(spec, "cpu")
        memory += _needed(spec, "memory")
    return cpu, memory


def _needed(spec: dict[str, Any], resource: str) -> float:
    """Count what a pod asks for: its containers together, or one of those before them where that is more.

    Init containers that stay (`restartPolicy: Always`) count beside all that come after them, and the overhead of
    the runtime class on top. Source: kubernetes/kubernetes, pkg/api/v1/resource (PodRequests).
    """
    beside = most = 0.0
    for container in mappings(spec, "initContainers"):
        asked = _of_container(container, resource)
        most = max(most, beside + asked)
        if text(container, "restartPolicy") == "Always":
            beside += asked
    together = beside + sum(_of_container(item, resource) for item in mappings(spec, "containers"))
    return max(most, together) + quantity(text(spec, "overhead", resource))


def _of_container(container: dict[str, Any], resource: str) -> float:
    """Give what a container asks for: where it says only how much it may have, that (API server's defaults)."""
    resources = mapping(container, "resources")
    return quantity(text(resources, "requests", resource) or text(resources, "limits", resource))


def _left(node: dict[str, Any], specs: Iterable[dict[str, Any]]) -> Room:
    """Give what a node has left for pods that ask for something."""
    held = _requests(specs)
    capacity = mapping(node, "status", "allocatable")
    return quantity(text(capacity, "cpu")) - held[0], quantity(text(capacity, "memory")) - held[1]


def _fits(room: Room, needs: Room) -> int:
    """Count how many pods that need so much fit into a room."""
    counts = [math.floor(has / need + 1e-9) for has, need in zip(room, needs, strict=True) if need]
    return max(0, min(counts, default=0))


def quantity(said: str) -> float:
    """Read a quantity of Kubernetes, such as 250m, 1.5 or 512Mi; 0 for what is none."""
    plain = said.rstrip("mkKMGTi")
    try:
        return float(plain) * QUANTITIES[said[len(plain) :]]
    except (ValueError, KeyError):
        return 0.0


def _gate(check: str, title: str, look: Any, *sees: Kind, **more: Any) -> Check:
    return Check(check, title, look, sees=sees, gate=True, **more)


CHECKS = (
    _gate("upgrade-plan", "what the upgrade brings is known", planned, TO, OLD_IMAGE),
    _gate("upgrade-pods-now", "the pods are well now", pod_now, POD_NOT_NOW, each=Pod),
    _gate(
        "upgrade-images-now",
        "the images can be had now",
        route_now,
        ROUTE_NOT_NOW,
        each=Route,
    ),
    _gate(
        "upgrade-steps",
        "the chart is one supported step away",
        steps,
        SKIPS,
        BACKWARDS,
        CODER_2,
        OLD_KUBERNETES,
        RENAMES,
    ),
    _gate("upgrade-values", "the chart takes the values", values, REFUSED),
    _gate("upgrade-label", "the label survives", label, LOSES, KEEPS),
    _gate(
        "upgrade-pools",
        "the pools that may host the pods are of Linux",
        pools,
        POOL_WINDOWS,
        asks=(("list", "nodes", "all"),),
    ),
    _gate(
        "upgrade-pool-nmi",
        "NMI is ready on the pool",
        pool_nmi,
        POOL_WITHOUT_NMI,
        each=Pool,
        asks=(("list", "pods", "all"),),
    ),
    _gate(
        "upgrade-pool-token",
        "the pool gives the identity's token",
        pool_token,
        *(POOL_TOKEN, POOL_LACKS, POOL_REFUSED, POOL_OTHER, POOL_YOUNGER, IN_SCALE_SET),
        each=Pool,
    ),
    _gate("upgrade-images", "every pool pulls the images", images, PULLABLE),
    _gate("upgrade-window", "nothing expires meanwhile", window, ENDS, CERTIFICATE_ENDS, RENEWED),
    _gate(
        "upgrade-disruption",
        "the rollout has room",
        disruption,
        *(FEW, BUDGET, NO_ROOM),
        asks=(("list", "poddisruptionbudgets.policy"), ("list", "pods", "all")),
    ),
    _gate(
        "upgrade-rollback",
        "there is a way back",
        rollback,
        NO_SNAPSHOT,
        SNAPSHOT,
        NO_REVISION,
        REVISION,
        asks=(("list", "secrets"),),
    ),
    _gate("upgrade-rollback-images", "the way back finds its images", rollback_images, WAY_BACK),
)
