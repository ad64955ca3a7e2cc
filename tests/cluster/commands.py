"""The commands of the cause documents, put to the real kubectl, helm and az."""

import json
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.checks import commands
from tests.checks.commands import PROGRAMS, Line, Started, without_globals
from tests.cluster import azure, crds, manifests
from tests.cluster.harness import Cluster, Json, capture, must
from tests.cluster.layout import (
    HERE,
    NODE_RESOURCE_GROUP,
    NODES,
    SUBSCRIPTION,
    az_environment,
    helm_bin,
    kubernetes_bin,
)
from tests.cluster.place import Place

AT_ONCE = 4
AZ_LIMIT = 120
CHART = "coder/coder"
WEBHOOK = "azure-wi-webhook"
CALICO = "crd.projectcalico.org"
PREVIEW = (
    "of the extension aks-preview, which PyPI does not have; az installs it from a site that no test reaches"
)
UNPARSED = {"pod-identity": PREVIEW, "--disable-imds-restriction": PREVIEW}
"""Words by which a command is known that this az cannot parse, and why."""
NEVER_RAN = "previous terminated container"
"""The API server's own answer to `logs --previous` where nothing has ended: it understood."""
REHEARSED = frozenset({"apply", "patch", "label", "annotate", "delete", "cordon", "scale", "run", "create"})
"""Verbs of kubectl that take `--dry-run=server`."""
NAMED = {"crd": "azureidentities.aadpodidentity.k8s.io", "deployment": "coderd"}
"""What `NAME` stands for after a kind; elsewhere it is the name of the secret that is there."""
MADE = "docker-registry"
"""The word after which the name of a new secret stands."""


@dataclass(frozen=True)
class Asked:
    """A program that some line starts, and the line."""

    line: Line
    started: Started


@dataclass(frozen=True)
class Answered:
    """What the real program said to a command; nothing in `wrong` when it takes it."""

    asked: Asked
    wrong: str

    def __str__(self) -> str:
        """For the message of a test."""
        return f"{self.wrong} <- {' '.join(self.asked.started.argv)} <- {self.asked.line}"


class Stage:
    """A namespace in which all that the documents speak of is there."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.place = Place(cluster, "commands")

    def build(self) -> None:
        """Put everything there: coderd by Helm, identities, pull secret, and stand-ins for NMI, MIC and the webhook."""
        namespace = self.place.namespace
        self.cluster.apply(*crds.definitions(), _calico())
        must(self.cluster.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"))
        self.place.make(
            *manifests.mic(namespace),
            manifests.pod(namespace, "nmi", labels={"component": "nmi"}),
            manifests.azure_identity(namespace, self.place.identity, name="coder-acr"),
            manifests.azure_identity_binding(namespace, "coder-binding", "coder-acr", self.place.selector),
            manifests.service_account(namespace, "pulling"),
            _secret(namespace, "pull", "kubernetes.io/dockerconfigjson", ".dockerconfigjson", '{"auths":{}}'),
            _secret(namespace, f"{WEBHOOK}-server-cert", "Opaque", "tls.crt", "none"),
            _deployment(namespace, f"{WEBHOOK}-controller-manager"),
            _webhook(),
        )
        release = ("coder", CHART, "--version", "1.44.3", "-n", namespace)
        must(self.cluster.helm("install", *release, "--set", "coderd.replicas=2", "--wait"))
        for pod in ("nmi", "-lcomponent=mic"):
            self.place.kubectl("wait", "pod", pod, "--for=condition=Ready", "--timeout=60s")

    def clear(self) -> None:
        """Delete what was made, and the pods that `kubectl debug` left."""
        self.cluster.kubectl("delete", "mutatingwebhookconfiguration", _webhook()["metadata"]["name"])
        self.cluster.kubectl("delete", "crd", _calico()["metadata"]["name"], "--wait=false")
        left = self.cluster.kubectl("get", "pods", "-n", "default", "-o", "name").stdout.split()
        if debuggers := [name for name in left if name.startswith("pod/node-debugger-")]:
            self.cluster.kubectl("delete", "-n", "default", "--wait=false", *debuggers)
        self.place.remove()

    def values(self) -> dict[str, str]:
        """What fills each placeholder, as a run on this cluster would; in capitals, what its reader would write."""
        place, identity = self.place, self.place.identity
        meant = {
            place.namespace: "namespace release_namespace identity_namespace binding_namespace nmi_namespace "
            "mic_namespace webhook_namespace",
            identity.resource_id: "resource_id identity_resource_id control_plane_identity_id kubelet_identity_id",
            identity.client_id: "client_id identity_client_id application_id wanted",
            identity.object_id: "oid object_id your_object_id mic_object_id kubelet_object_id id_in_the_message",
            self._pod("coder.deployment=coderd"): "pod",
            self._pod("component=mic"): "mic_pod",
            place.selector: "selector value advised",
            "coder-acr": "identity identity_name candidate azureidentity",
            "coder": "release chart resource_group identity_resource_group credential",
            "pull": "secret name token token_name",
            "lab": "cluster subscription",
            "1.44.3": "version since",
            "1": "back",
            "--set extraLabels=null": "unset",
            NODES[0].name: "node",
            NODES[0].pool: "pool nodepool",
            NODES[0].scale_set: "scale_set vmss",
            NODE_RESOURCE_GROUP: "node_group node_resource_group",
            azure.REGISTRY: "host registry_host data_host",
            azure.REGISTRY_ID: "registry_resource_id",
            azure.IMAGE_REPOSITORY: "repository",
            azure.IMAGE_TAG: "tag reference",
            azure.TENANT: "tenant_id",
            SUBSCRIPTION: "subscription_id",
            "https://eastus.oic.prod-aks.azure.com/tenant/cluster/": "issuer_url",
            "system:serviceaccount:coder:coder": "subject",
            json.dumps(_list_of_objects(place)): "objects",
            "deployment/coderd": "workload",
            "pulling": "service_account",
            "default": "account",
            "coder-binding": "binding_name",
            "10.244.1.7": "pod_ip",
            "20.81.44.7": "ip",
            "labreg": "registry",
            "busybox": "image",
            "nmi": "nmi nmi_pod",
            "mic": "mic",
        }
        return {**PROGRAMS, **{word: value for value, words in meant.items() for word in words.split()}}

    def _pod(self, selector: str) -> str:
        """The name of the first pod with this label."""
        names = self.place.kubectl("get", "pods", "-l", selector, "-o", "name")
        return names.split()[0].removeprefix("pod/")

    def asked(self, folder: Path) -> list[Asked]:
        """Give every program that some line of some document starts, its words filled in."""
        values = self.values()
        lines = list(commands.lines(values))
        ran = commands.run([line.text for line in lines], folder, answering=True)
        # A chart is written with its repository where it is not a placeholder beside one.
        written = {**values, "chart": CHART}
        words = re.compile(rf"\b({'|'.join(sorted(map(str.upper, values), key=len, reverse=True))})\b")
        return [
            Asked(line, _written(item, words, written))
            for line, what in zip(lines, ran, strict=True)
            for item in what.started
        ]


def _written(started: Started, words: re.Pattern[str], values: dict[str, str]) -> Started:
    """Write what a reader would in place of the words in capitals; columns have such names too."""

    def write(text: str, before: str = "") -> str:
        if text.startswith("custom-columns="):
            return text
        if before == MADE:
            return "new"
        if text == "NAME" and before in NAMED:
            return NAMED[before]
        return words.sub(lambda found: values[found[1].lower()], text)

    argv = started.argv
    return Started(
        tuple(write(word, before) for before, word in zip(("", *argv), argv, strict=False)),
        write(started.stdin),
    )


def by_program(asked: Iterable[Asked], program: str) -> list[Asked]:
    """Those that start one program, each command once."""
    once: dict[Started, Asked] = {}
    for item in asked:
        if item.started.argv[0] == program:
            once.setdefault(item.started, item)
    return list(once.values())


def ask_cluster(cluster: Cluster, asked: Sequence[Asked]) -> list[Answered]:
    """Run commands of kubectl and helm; what would change something is only rehearsed by the server.

    Rollouts cannot be rehearsed: they are done, when all else is.
    """
    last = [item for item in asked if "rollout" in item.started.argv]
    first = [item for item in asked if item not in last]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda item: _ask(cluster, item), first))
    return answers + [_ask(cluster, item) for item in last]


def _ask(cluster: Cluster, asked: Asked) -> Answered:
    argv, stdin = rehearsal(asked.started.argv), asked.started.stdin
    program = kubernetes_bin("kubectl") if argv[0] == "kubectl" else helm_bin()
    # `kubectl edit` opens the editor of whoever types: this one changes nothing.
    done = cluster.run("env", "KUBE_EDITOR=true", program, *argv[1:], stdin=stdin or None)
    said = done.stderr.strip() or done.stdout.strip()
    if done.returncode and not ("--previous" in argv and NEVER_RAN in said):
        return Answered(asked, said[-400:] or f"exit status {done.returncode}")
    return Answered(asked, "")


def rehearsal(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Give the command that tests whether a command would be taken, without its effect."""
    words = list(argv)
    after = words.index("--") if "--" in words else len(words)
    if argv[0] == "helm":
        return tuple(_of_this_repository(words))
    verb = without_globals(argv)[0]
    if verb in {"exec", "debug"}:
        # What runs in the container is not kubectl's to understand.
        return (*words[:after], "--", "true")
    if verb == "port-forward" or "--watch" in words:
        # It would go on for ever.
        return (*words, "--help")
    if verb in REHEARSED and not any(word.startswith("--dry-run") for word in words):
        words.insert(after, "--dry-run=server")
    return tuple(words)


def _of_this_repository(words: list[str]) -> list[str]:
    """Have helm look at the one chart there is, and only read the options of a login."""
    made = [
        CHART if word == "aad-pod-identity/aad-pod-identity" or word.startswith("oci://") else word
        for word in words
    ]
    if "upgrade" in made:
        made.append("--dry-run=server")
    if "rollback" in made:
        made.append("--dry-run")
    return [*made, "--help"] if "login" in made else made


def ask_az(asked: Sequence[Asked], folder: Path) -> list[Answered]:
    """Have az's own parser read commands, all in one process; none is sent."""
    python = str(az_environment() / "bin" / "python")
    environment = {"HOME": str(folder), "AZURE_CORE_COLLECT_TELEMETRY": "false"}
    given = json.dumps([item.started.argv[1:] for item in asked])
    parser = (python, "-I", str(HERE / "az_parser.py"))
    said: list[str] = json.loads(must(capture(parser, given, AZ_LIMIT, environment)).stdout)
    return [Answered(item, wrong) for item, wrong in zip(asked, said, strict=True)]


def unparsed(answered: Answered) -> str:
    """Why this az cannot parse a command; empty when it can."""
    with suppress(StopIteration):
        return next(why for word, why in UNPARSED.items() if word in answered.asked.started.argv)
    return ""


def _secret(namespace: str, name: str, kind: str, key: str, value: str) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": kind,
        "stringData": {key: value},
    }


def _deployment(namespace: str, name: str) -> Json:
    """A Deployment of no pods."""
    made = manifests.mic(namespace)[1]
    made["metadata"]["name"] = name
    made["spec"]["replicas"] = 0
    labels = {"azure-workload-identity.io/system": "true"}
    made["spec"]["selector"]["matchLabels"] = made["spec"]["template"]["metadata"]["labels"] = labels
    return made


def _webhook() -> Json:
    """The webhook's configuration, without anything that it would be asked about."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"{WEBHOOK}-mutating-webhook-configuration"},
        "webhooks": [],
    }


def _calico() -> Json:
    """Calico's definition of global network policies."""
    names = {"kind": "GlobalNetworkPolicy", "plural": "globalnetworkpolicies"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"globalnetworkpolicies.{CALICO}"},
        "spec": {"group": CALICO, "names": names, "scope": "Cluster", "versions": [version]},
    }


def _list_of_objects(place: Place) -> Json:
    """An identity and its binding, as the report prints them for another namespace."""
    items = [
        manifests.azure_identity(place.namespace, place.identity, name="copied"),
        manifests.azure_identity_binding(place.namespace, "copied-binding", "copied", place.selector),
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}
