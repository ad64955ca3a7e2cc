"""Layouts in which other tools write down a cluster, made of a lab's world."""

import json
import tarfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from acrcheck.bundle.kinds import KINDS
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.world import World

BUG_REPORTED = {
    *("Pod", "Deployment", "DaemonSet", "ReplicaSet", "StatefulSet", "Namespace", "Event"),
    *("CustomResourceDefinition", "MutatingWebhookConfiguration"),
}
"""Of the kinds that checks look for, what `kubectl get all,namespaces,…` of `istioctl bug-report` shows."""
Json = dict[str, Any]
Layout = Callable[[World, Path], None]
TROUBLESHOOT = {kind: place for kind, (_, place) in KINDS.items() if place}
DUMPED = ("Pod", "Event", "Deployment", "DaemonSet", "ReplicaSet")
"""What `kubectl cluster-info dump` writes, nodes aside; services and replication controllers say nothing here."""


def objects(world: World) -> list[Json]:
    """All objects as kubectl would show them. What a pull secret holds is left out: nobody should send it."""
    return [item for item in world.kubernetes.dump() if item["kind"] != "Secret"]


def by_namespace(world: World) -> dict[tuple[str, str], list[Json]]:
    """The objects by kind and namespace; an empty list where a namespace has none."""
    found: dict[tuple[str, str], list[Json]] = defaultdict(list)
    items = objects(world)
    names = [item["metadata"]["name"] for item in items if item["kind"] == "Namespace"]
    for kind, (resource, place) in KINDS.items():
        if place and not place.startswith("custom-resources"):
            found |= {(kind, name): [] for name in (names if resource.namespaced else [""])}
    for item in items:
        found[item["kind"], item["metadata"].get("namespace", "")].append(item)
    return found


def write(path: Path, value: Any) -> None:
    """Write JSON or YAML, by the path's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(value, indent=2))
    else:
        path.write_text(yaml.dump(json.loads(json.dumps(value)), Dumper=yaml.CSafeDumper))


def logs(world: World) -> list[tuple[Json, str, str]]:
    """Pod, container and log of all that has one, with the times that kubectl's --timestamps gives."""
    cluster, found = LabCluster(world), []
    for item in objects(world):
        if item["kind"] == "Pod":
            metadata = item["metadata"]
            for container in item["spec"]["containers"]:
                name = container["name"]
                answer = cluster.logs(metadata["namespace"], metadata["name"], name, since=86400, lines=2000)
                found += [(item, name, answer.body)] if answer.ok else []
    return found


def troubleshoot(world: World, folder: Path) -> None:
    """A support bundle, with the symbolic links from its collectors' folders."""
    top = folder / "support-bundle-2026-11-02T09_00_00"
    resources = top / "cluster-resources"
    for (kind, namespace), items in by_namespace(world).items():
        if kind not in TROUBLESHOOT:
            continue
        place = resources / TROUBLESHOOT[kind]
        path = place / f"{namespace}.json" if namespace else place.with_name(f"{place.name}.json")
        custom = TROUBLESHOOT[kind].startswith("custom-resources")
        group = items[0]["apiVersion"] if items else "v1"
        write(path, items if custom else {"kind": f"{kind}List", "apiVersion": group, "items": items})
    write(
        top / "version.yaml", {"apiVersion": "troubleshoot.sh/v1beta2", "kind": "SupportBundle", "spec": {}}
    )
    write(
        top / "cluster-info" / "cluster_version.json",
        {"info": {"gitVersion": "v1.36.3"}, "string": "v1.36.3"},
    )
    for pod, container, text in logs(world):
        metadata = pod["metadata"]
        place = resources / "pods" / "logs" / metadata["namespace"] / metadata["name"]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{container}.log").write_text(text)
        link = top / "coder-logs" / metadata["name"]
        link.mkdir(parents=True, exist_ok=True)
        (link / f"{container}.log").symlink_to(Path("../..") / place.relative_to(top) / f"{container}.log")


def packed(world: World, folder: Path) -> None:
    """The same as the .tar.gz that is sent."""
    troubleshoot(world, folder / "unpacked")
    with tarfile.open(folder / "support-bundle.tar.gz", "w:gz") as archive:
        for path in (folder / "unpacked").iterdir():
            archive.add(path, path.name)


def dump(world: World, folder: Path) -> None:
    """What `kubectl cluster-info dump --output-directory` leaves; custom resources are not in it."""
    for (kind, namespace), items in by_namespace(world).items():
        if kind == "Node":
            write(folder / "nodes.json", {"kind": "NodeList", "apiVersion": "v1", "items": bare(items)})
        elif kind in DUMPED:
            path = folder / namespace / f"{KINDS[kind][0].plural}.json"
            write(path, {"kind": f"{kind}List", "apiVersion": "v1", "items": bare(items)})
    for pod, container, text in logs(world):
        metadata = pod["metadata"]
        path = folder / metadata["namespace"] / metadata["name"] / "logs.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        named = f"container {container} of pod {metadata['namespace']}/{metadata['name']}"
        with path.open("a") as file:
            file.write(f"==== START logs for {named} ====\n{text}==== END logs for {named} ====\n")


def bare(items: list[Json]) -> list[Json]:
    """Items as a typed list has them: without their kind."""
    return [
        {key: value for key, value in item.items() if key not in {"kind", "apiVersion"}} for item in items
    ]


def lists(world: World, folder: Path) -> None:
    """One file of `kubectl get KIND -A -o yaml` for each kind, and logs as people name them."""
    kinds = defaultdict(list)
    for item in objects(world):
        kinds[item["kind"]].append(item)
    for kind, items in kinds.items():
        write(
            folder / f"{kind.lower()}s.yaml",
            {"apiVersion": "v1", "kind": "List", "items": items, "metadata": {}},
        )
    for pod, container, text in logs(world):
        (folder / f"{pod['metadata']['name']}-{container}.log").write_text(text)


def single(world: World, folder: Path) -> None:
    """Everything in one file, a document for each object."""
    text = yaml.dump_all(json.loads(json.dumps(objects(world))), Dumper=yaml.CSafeDumper)
    (folder / "all.yaml").write_text(text)


def istio(world: World, folder: Path) -> None:
    """What `istioctl bug-report` packs: objects of all namespaces in one file without an ending, the rest as tables.

    Source: istio/istio tools/bug-report/pkg/{archive/archive.go,content/content.go}.
    """
    top = folder / "bug-report"
    cluster, found = top / "cluster", objects(world)
    custom = [item for item in found if "aadpodidentity" in item["apiVersion"]]
    shown = [item for item in found if item["kind"] in BUG_REPORTED]
    for name, items in (("k8s-resources", shown), ("crs", custom)):
        write(cluster / name, {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {}})
    nodes = [item["metadata"]["name"] for item in found if item["kind"] == "Node"]
    tables = {
        "nodes": "".join(f"Name:               {name}\nRoles:              <none>\n\n\n" for name in nodes),
        "events": "NAMESPACE   LAST SEEN   TYPE      REASON   OBJECT   MESSAGE\n",
        "secrets": "NAMESPACE   NAME   TYPE     DATA   AGE\ncoder       pull   Opaque   1      3d\n",
        "cluster-context": "aks-prod\nhttps://127.0.0.1:6443\n",
        "kubectl-version": "Client Version: v1.36.3\nServer Version: v1.36.3\n",
    }
    for name, text in tables.items():
        (cluster / name).write_text(text)
    (top / "versions").write_text('{"clientVersion":{"version":"1.30.0"}}')
    for pod, container, text in logs(world):
        metadata = pod["metadata"]
        place = top / "proxies" / metadata["namespace"] / metadata["name"]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{container}.log").write_text(text)
        (place / "netstat").write_text("Active Internet connections (servers and established)\n")
    with tarfile.open(folder / "bug-report.tar.gz", "w:gz") as archive:
        for path in sorted(top.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(folder))


LAYOUTS: dict[str, Layout] = {
    "troubleshoot": troubleshoot,
    "packed": packed,
    "dump": dump,
    "lists": lists,
    "single": single,
    "istio": istio,
}
