"""A Kubernetes in memory: JSON objects in a store, and the controllers that make pods of them.

The controllers do what the lab needs of kube-controller-manager, scheduler and kubelet, at once: a changed pod
template gives new pods under new names and addresses, a deleted pod is replaced.
"""

import copy
import hashlib
import json
import threading
import uuid
from datetime import UTC
from typing import Any

from acrcheck.cluster.reader import (
    AUTOSCALERS,
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    AZURE_POD_IDENTITY_EXCEPTIONS,
    CRON_JOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFULSETS,
    Resource,
)
from acrcheck.lab.clock import LabClock

Json = dict[str, Any]

CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
KINDS: dict[str, Resource] = {
    "Namespace": NAMESPACES,
    "Node": NODES,
    "Pod": PODS,
    "Event": EVENTS,
    "Secret": SECRETS,
    "ServiceAccount": SERVICE_ACCOUNTS,
    "Deployment": DEPLOYMENTS,
    "StatefulSet": STATEFULSETS,
    "DaemonSet": DAEMONSETS,
    "ReplicaSet": REPLICASETS,
    "Job": JOBS,
    "CronJob": CRON_JOBS,
    "HorizontalPodAutoscaler": AUTOSCALERS,
    "CustomResourceDefinition": CRDS,
    "AzureIdentity": AZURE_IDENTITIES,
    "AzureIdentityBinding": AZURE_IDENTITY_BINDINGS,
    "AzureAssignedIdentity": AZURE_ASSIGNED_IDENTITIES,
    "AzurePodIdentityException": AZURE_POD_IDENTITY_EXCEPTIONS,
}
BUILT_IN: dict[str, frozenset[str]] = {
    "/v1": frozenset(
        {"pods", "nodes", "namespaces", "services", "configmaps", "events", "secrets", "serviceaccounts"}
    ),
    "apps/v1": frozenset({"deployments", "statefulsets", "daemonsets", "replicasets"}),
    "rbac.authorization.k8s.io/v1": frozenset(
        {"roles", "rolebindings", "clusterroles", "clusterrolebindings"}
    ),
    "admissionregistration.k8s.io/v1": frozenset({"mutatingwebhookconfigurations"}),
    "batch/v1": frozenset({"jobs", "cronjobs"}),
    "autoscaling/v2": frozenset({"horizontalpodautoscalers"}),
    "policy/v1": frozenset({"poddisruptionbudgets"}),
    "networking.k8s.io/v1": frozenset({"networkpolicies"}),
    "discovery.k8s.io/v1": frozenset({"endpointslices"}),
    "apiextensions.k8s.io/v1": frozenset({"customresourcedefinitions"}),
}
"""What every API server serves, by group and version, as far as anybody asks for it here."""
PREFIX = "/api/v1/"
ROLLOUT = 20.0
"""Seconds that new pods take until all of them are ready."""
LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes generated names of (apimachinery, pkg/util/rand)."""


class Kubernetes:
    """The store. What `find` and `items` give is the object itself: changed in place by whoever plays the world."""

    def __init__(self, clock: LabClock) -> None:
        self.clock = clock
        self._lock = threading.RLock()
        self._objects: dict[Resource, dict[tuple[str, str], Json]] = {}
        self.ended: set[str] = set()
        """Names of pods that were deleted; another one may have come under the same name."""
        self._changes = 1000
        self._names = 0

    def find(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        """The object of that name; None when there is none."""
        with self._lock:
            return self._objects.get(resource, {}).get((namespace if resource.namespaced else "", name))

    def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """The object of that name; KeyError when there is none."""
        found = self.find(resource, name, namespace)
        if found is None:
            raise KeyError(f"{resource.plural} {namespace}/{name}")
        return found

    def items(self, resource: Resource, namespace: str = "") -> list[Json]:
        """All objects of a resource, of one namespace if one is given, in the API server's order."""
        with self._lock:
            held = self._objects.get(resource, {})
            return [held[key] for key in sorted(held) if not namespace or key[0] == namespace]

    def put(self, item: Json) -> Json:
        """Create an object, or replace the one of its name, and give the stored one.

        Raises:
            KeyError: the lab has no such kind.
        """
        resource = KINDS[item["kind"]]
        key = _key(resource, item)
        with self._lock:
            held = self._objects.setdefault(resource, {})
            before = held.get(key)
            self._changes += 1
            metadata = item["metadata"]
            known = before["metadata"] if before else {}
            metadata.setdefault(
                "uid", known.get("uid") or str(uuid.uuid5(uuid.NAMESPACE_OID, repr((resource, key))))
            )
            metadata.setdefault("creationTimestamp", known.get("creationTimestamp") or self.stamp())
            metadata["resourceVersion"] = str(self._changes)
            changed = before is not None and before.get("spec") != item.get("spec")
            metadata["generation"] = int(known.get("generation", 1)) + int(changed)
            held[key] = item
            return item

    def remove(self, resource: Resource, name: str, namespace: str = "") -> bool:
        """Delete an object; False when there was none."""
        key = (namespace if resource.namespaced else "", name)
        with self._lock:
            if resource == PODS:
                self.ended.add(name)
            return self._objects.get(resource, {}).pop(key, None) is not None

    def dump(self) -> list[Json]:
        """Every object there is, in a fixed order."""
        with self._lock:
            held = sorted(self._objects.items(), key=lambda entry: (entry[0].group, entry[0].plural))
            return [copy.deepcopy(items[key]) for _, items in held for key in sorted(items)]

    def stamp(self) -> str:
        """The present moment as Kubernetes writes it."""
        return f"{self.clock.now().astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def number(self) -> int:
        """A number that was not given before."""
        with self._lock:
            self._names += 1
            return self._names

    def served(self) -> dict[str, list[Json]]:
        """The custom resources that are served, by group and version."""
        found: dict[str, list[Json]] = {}
        for item in self.items(CRDS):
            spec = item["spec"]
            for version in spec["versions"]:
                found.setdefault(f"{spec['group']}/{version['name']}", []).append(
                    {
                        "name": spec["names"]["plural"],
                        "singularName": spec["names"]["singular"],
                        "namespaced": spec["scope"] == "Namespaced",
                        "kind": spec["names"]["kind"],
                        "verbs": ["delete", "get", "list", "patch", "create", "update", "watch"],
                    }
                )
        return found

    def serves(self, resource: Resource) -> bool:
        """Whether the API server knows a resource."""
        built_in = BUILT_IN.get(f"{resource.group}/{resource.version}")
        if built_in is not None:
            return resource.plural in built_in
        served = self.served().get(f"{resource.group}/{resource.version}", [])
        return any(item["name"] == resource.plural for item in served)

    def settle(self) -> None:
        """Let the controllers work until nothing is left to do."""
        changed = [self._deploy(item) for item in self.items(DEPLOYMENTS)]
        changed += [self._everywhere(item) for item in self.items(DAEMONSETS)]
        changed += [self._in_order(item) for item in self.items(STATEFULSETS)]
        changed += [self._schedule(item) for item in self.items(CRON_JOBS)]
        changed += [self._run_job(item) for item in self.items(JOBS)]
        if any(changed):
            self.clock.sleep(ROLLOUT)

    def _deploy(self, deployment: Json) -> bool:
        """Make the pods of a Deployment's newest template, end those of older ones, and say how it stands."""
        metadata, spec = deployment["metadata"], deployment["spec"]
        namespace, name = metadata["namespace"], metadata["name"]
        replicas = int(spec.get("replicas", 1))
        newest = f"{name}-{_hash(spec['template'])}"
        changed = self._retire(deployment, newest)
        if self.find(REPLICASETS, newest, namespace) is None:
            self.put(_replica_set(deployment, newest))
        owner = self.get(REPLICASETS, newest, namespace)
        pods = [item for item in self.items(PODS, namespace) if _owned(item, owner)]
        for pod in pods[replicas:]:
            self.remove(PODS, pod["metadata"]["name"], namespace)
        for _ in range(replicas - len(pods)):
            template = owner["spec"]["template"]
            self._start(
                owner, template, f"{newest}-{_letters(self.number(), 5)}", self._place(owner, template)
            )
        count = {"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas}
        deployment["status"] = {
            "observedGeneration": metadata["generation"],
            **({**count, "availableReplicas": replicas} if replicas else {}),
            "conditions": [
                {"type": "Available", "status": "True"},
                {"type": "Progressing", "status": "True"},
            ],
        }
        return changed or len(pods) != replicas

    def _retire(self, deployment: Json, newest: str) -> bool:
        namespace = deployment["metadata"]["namespace"]
        old = [
            item
            for item in self.items(REPLICASETS, namespace)
            if _owned(item, deployment) and item["metadata"]["name"] != newest
        ]
        pods = [pod for pod in self.items(PODS, namespace) if any(_owned(pod, item) for item in old)]
        for pod in pods:
            self.remove(PODS, pod["metadata"]["name"], namespace)
        for item in old:
            item["spec"]["replicas"] = 0
        return bool(pods)

    def _everywhere(self, daemon_set: Json) -> bool:
        """Have one pod of a DaemonSet's newest template on each node that its selector names."""
        metadata = daemon_set["metadata"]
        template, revision = _revised(daemon_set)
        wanted = {node["metadata"]["name"] for node in self.items(NODES) if _fits(node, template)}
        held = {item["spec"]["nodeName"]: item for item in self._pods_of(daemon_set)}
        for node, item in list(held.items()):
            if node not in wanted or _revision(item) not in {"", revision}:
                self.remove(PODS, held.pop(node)["metadata"]["name"], metadata["namespace"])
        missing = sorted(wanted - held.keys())
        for node in missing:
            self._start(daemon_set, template, f"{metadata['name']}-{_letters(self.number(), 5)}", node)
        count = len(wanted)
        daemon_set["status"] = {
            "observedGeneration": metadata["generation"],
            "desiredNumberScheduled": count,
            "currentNumberScheduled": count,
            "updatedNumberScheduled": count,
            "numberReady": count,
        }
        return bool(missing)

    def _in_order(self, stateful_set: Json) -> bool:
        """Have a StatefulSet's pods under their numbers, all of the newest template unless it waits for a deletion."""
        metadata, spec = stateful_set["metadata"], stateful_set["spec"]
        replicas = int(spec.get("replicas", 1))
        template, revision = _revised(stateful_set)
        waits = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
        names = [f"{metadata['name']}-{number}" for number in range(replicas)]
        held = {item["metadata"]["name"]: item for item in self._pods_of(stateful_set)}
        newest = {name for name, item in held.items() if _revision(item) == revision}
        for name in held.keys() - set(names) if waits else held.keys() - newest:
            self.remove(PODS, held.pop(name)["metadata"]["name"], metadata["namespace"])
        missing = [name for name in names if name not in held]
        for name in missing:
            self._start(stateful_set, template, name, self._place(stateful_set, template))
        updated = len(newest & held.keys()) + len(missing)
        stateful_set["status"] = {
            "observedGeneration": metadata["generation"],
            **dict.fromkeys(("replicas", "readyReplicas", "availableReplicas"), replicas),
            "updatedReplicas": updated,
        }
        return bool(missing)

    def _run_job(self, job: Json) -> bool:
        """Have the pods of a Job that has not ended."""
        metadata, spec = job["metadata"], job["spec"]
        if job.get("status", {}).get("conditions"):
            return False
        labels = {"batch.kubernetes.io/controller-uid": metadata["uid"], "job-name": metadata["name"]}
        spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": metadata["uid"]}})
        spec["template"]["metadata"].setdefault("labels", {}).update(labels)
        held = self._pods_of(job)
        wanted = 0 if spec.get("suspend") else int(spec.get("parallelism", 1))
        for pod in held[wanted:]:
            self.remove(PODS, pod["metadata"]["name"], metadata["namespace"])
        for _ in range(wanted - len(held)):
            name = f"{metadata['name']}-{_letters(self.number(), 5)}"
            self._start(job, spec["template"], name, self._place(job, spec["template"]))
        job["status"] = {"active": wanted, "ready": wanted, "startTime": metadata["creationTimestamp"]}
        return len(held) != wanted

    def _schedule(self, cron_job: Json) -> bool:
        """Have one Job of a CronJob run."""
        metadata, spec = cron_job["metadata"], cron_job["spec"]
        if spec.get("suspend") or cron_job.get("status"):
            return False
        job = copy.deepcopy(spec["jobTemplate"])
        job |= {"apiVersion": "batch/v1", "kind": "Job"}
        minutes = int(self.clock.now().timestamp()) // 60
        job.setdefault("metadata", {}).update(
            name=f"{metadata['name']}-{minutes}",
            namespace=metadata["namespace"],
            ownerReferences=[_reference(cron_job)],
        )
        made = self.put(job)["metadata"]
        cron_job["status"] = {
            "active": [
                {"kind": "Job", "name": made["name"], "namespace": made["namespace"], "uid": made["uid"]}
            ],
            "lastScheduleTime": self.stamp(),
        }
        return True

    def _pods_of(self, owner: Json) -> list[Json]:
        return [item for item in self.items(PODS, owner["metadata"]["namespace"]) if _owned(item, owner)]

    def _place(self, owner: Json, template: Json) -> str:
        """The node for the next pod: one that takes pods, with the fewest of this owner's."""
        load = {
            node["metadata"]["name"]: 0
            for node in self.items(NODES)
            if _fits(node, template) and not node["spec"].get("unschedulable")
        }
        for pod in self.items(PODS, owner["metadata"]["namespace"]):
            if _owned(pod, owner) and pod["spec"]["nodeName"] in load:
                load[pod["spec"]["nodeName"]] += 1
        return str(min(load, key=lambda name: (load[name], name)))

    def _start(self, owner: Json, template: Json, name: str, node: str) -> Json:
        metadata = copy.deepcopy(template["metadata"])
        metadata |= {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "generateName": f"{owner['metadata']['name']}-",
            "ownerReferences": [_reference(owner)],
        }
        return self.run_pod(metadata, template["spec"], node)

    def run_pod(self, metadata: Json, spec: Json, node: str) -> Json:
        """Create a pod that runs on a node from now on."""
        machine = self.get(NODES, node)
        host = next(
            item["address"] for item in machine["status"]["addresses"] if item["type"] == "InternalIP"
        )
        prefix = machine["spec"]["podCIDR"].rsplit(".", 1)[0]
        address = host if spec.get("hostNetwork") else f"{prefix}.{self.number() % 250 + 4}"
        item: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        item["spec"] = {**copy.deepcopy(spec), "nodeName": node}
        item["status"] = running(item["spec"], self.stamp(), host, address)
        return self.put(item)


def running(spec: Json, since: str, host: str, address: str) -> Json:
    """The status of a pod that runs and is ready since a moment."""
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    status: Json = {
        "phase": "Running",
        "conditions": [
            {"type": name, "status": "True", "lastProbeTime": None, "lastTransitionTime": since}
            for name in conditions
        ],
        "hostIP": host,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": since,
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": since}},
                "lastState": {},
            }
            for container in spec["containers"]
        ],
        "qosClass": "BestEffort",
    }
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": since, "finishedAt": since}
    initial = [
        {"name": container["name"], "ready": True, "restartCount": 0, "state": {"terminated": ended}}
        for container in spec.get("initContainers", ())
    ]
    return {**status, "initContainerStatuses": initial} if initial else status


def merged(item: Any, patch: Any) -> Any:
    """The result of a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = copy.deepcopy(item) if isinstance(item, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _key(resource: Resource, item: Json) -> tuple[str, str]:
    return (item["metadata"]["namespace"] if resource.namespaced else "", item["metadata"]["name"])


def _owned(item: Json, owner: Json) -> bool:
    references = item["metadata"].get("ownerReferences") or ()
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)


def _revised(owner: Json) -> tuple[Json, str]:
    """The template for the next pod of a StatefulSet or DaemonSet, and the revision that its label names."""
    template = copy.deepcopy(owner["spec"]["template"])
    revision = _hash(template)
    template["metadata"].setdefault("labels", {})["controller-revision-hash"] = revision
    return template, revision


def _revision(pod: Json) -> str:
    return str(pod["metadata"]["labels"].get("controller-revision-hash", ""))


def _reference(owner: Json) -> Json:
    """How what a controller makes names it."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _fits(node: Json, template: Json) -> bool:
    labels = node["metadata"].get("labels") or {}
    selector = template["spec"].get("nodeSelector") or {}
    return all(labels.get(key) == value for key, value in selector.items())


def _replica_set(deployment: Json, name: str) -> Json:
    template = copy.deepcopy(deployment["spec"]["template"])
    template["metadata"]["labels"]["pod-template-hash"] = name.rpartition("-")[2]
    metadata = deployment["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [_reference(deployment)],
        },
        "spec": {
            "replicas": deployment["spec"].get("replicas", 1),
            "selector": deployment["spec"]["selector"],
            "template": template,
        },
    }


def _hash(template: Json) -> str:
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:9])


def _letters(number: int, count: int) -> str:
    digest = hashlib.sha256(f"name {number}".encode()).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:count])
