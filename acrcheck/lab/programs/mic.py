"""MIC's log and its events, of one round in which it puts identities on the nodes of pods that wait for them.

Sources: aad-pod-identity pkg/mic/mic.go, pkg/utils/utils.go, pkg/cloudprovider/{cloudprovider,vmss,vm}.go and
pkg/stats/stats.go at 1.2, 1.5.5 and 1.8; go-autorest autorest/error.go (DetailedError). The numbers of lines are those
of the logs in Azure/aad-pod-identity#63, #752, #959 and #1255 and kedacore/keda#2178 on GitHub, the others near them.
"""

import json
import re
from dataclasses import dataclass, field

import httpx

from acrcheck.cluster.reader import (
    AZURE_ASSIGNED_IDENTITIES,
    AZURE_IDENTITIES,
    AZURE_IDENTITY_BINDINGS,
    PODS,
)
from acrcheck.lab.azure import ScaleSet
from acrcheck.lab.kube import Json
from acrcheck.lab.objects import LABEL
from acrcheck.lab.path import Path, Place
from acrcheck.lab.programs import arm, entra, go
from acrcheck.lab.programs.klog import header, quoted
from acrcheck.lab.programs.kubectl import Event, events
from acrcheck.lab.programs.workload import Program
from acrcheck.lab.world import World

RESOURCE = "https://management.azure.com/"
API = "?api-version=2019-12-01"
SCALE_SETS_SINCE = (1, 3)
PATCHES_SINCE = (1, 6)
FUTURES_SINCE = (1, 8)
"""The version since which a refused update has no status of its own."""
SECONDS = 3600.0
EXPECTED = (
    "/subscriptions/<subid>/resourcegroups/<resourcegroup>/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/<name>"
)
VALID = re.compile(re.sub("<[a-z]+>", ".+", EXPECTED), re.IGNORECASE)


class FailedError(Exception):
    """Azure was asked in vain. The text is Go's."""


@dataclass
class Mic:
    """MIC's leader.

    Attributes:
        log: the lines that it wrote.
        events: what it told the API server of bindings.
    """

    world: World
    log: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def pod(self) -> Json:
        """The pod it runs in."""
        pods = self.world.kubernetes.items(PODS)
        return next(pod for pod in pods if pod["metadata"]["labels"].get("component") == "mic")

    @property
    def version(self) -> tuple[int, ...]:
        """By its image."""
        tag = str(self.pod["spec"]["containers"][0]["image"]).rpartition(":")[2]
        return tuple(int(part) for part in tag.removeprefix("v").split("."))

    def work(self) -> "Mic":
        """Do one round: look at what there is, then go to each scale set in turn."""
        self._match()
        waiting: dict[str, list[Json]] = {}
        for item in self.world.kubernetes.items(AZURE_ASSIGNED_IDENTITIES):
            if item["status"]["status"] == "Created":
                scale_set = self.world.azure.node(item["spec"]["nodename"]).scale_set
                waiting.setdefault(scale_set, []).append(item)
        for name, items in waiting.items():
            if self.version < SCALE_SETS_SINCE:
                self._look_for_machines(items)
            elif self.version < PATCHES_SINCE:
                self._rewrite(self.world.azure.scale_set(name), items)
            else:
                self._patch(self.world.azure.scale_set(name), items)
        return self

    def journal(self) -> str:
        """The log."""
        return "".join(f"{line}\n" for line in self.log)

    def described(self) -> str:
        """The events as `kubectl describe azureidentitybinding` prints them."""
        return events(self.events)

    def _match(self) -> None:
        """Find the identities of pods, and say why there is none."""
        kubernetes = self.world.kubernetes
        bindings = kubernetes.items(AZURE_IDENTITY_BINDINGS)
        identities = set()
        for item in kubernetes.items(AZURE_IDENTITIES):
            name, resource_id = _full_name(item), item["spec"].get("resourceID", "")
            if VALID.search(resource_id):
                identities.add(name)
            else:
                problem = f"invalid resource id: {quoted(resource_id)}, must match {EXPECTED}"
                self._write("E", "mic.go:915", f"ignoring azure identity {name}, error: {problem}")
        for pod in kubernetes.items(PODS):
            labels = pod["metadata"].get("labels") or {}
            if LABEL in labels:
                self._match_pod(_full_name(pod), labels[LABEL], bindings, identities)

    def _match_pod(self, pod: str, label: str, bindings: list[Json], identities: set[str]) -> None:
        if not label:
            self._write(
                "I", "mic.go:580", f"pod {pod} doesn't contain {LABEL} label field. it will be ignored"
            )
            return
        matched = [item for item in bindings if item["spec"].get("selector") == label]
        if not matched:
            said = f"No AzureIdentityBinding found for pod {pod} that matches selector: {label}. it will be ignored"
            self._write("I", "mic.go:594", said)
        for item in matched:
            wanted = item["spec"].get("azureIdentity", "")
            if f"{item['metadata']['namespace']}/{wanted}" not in identities:
                said = f"{wanted} identity not found when using {_full_name(item)} binding"
                self._write("I", "mic.go:620", said)

    # -- by version -----------------------------------------------------------------------------------

    def _look_for_machines(self, items: list[Json]) -> None:
        """Every node is a machine of its own."""
        group = self._group()
        for item in items:
            node = item["spec"]["nodename"]
            path = f"{group}/providers/Microsoft.Compute/virtualMachines/{node}"
            try:
                self._ask("GET", path)
            except FailedError as error:
                self._write("E", "vm.go:45", str(error))
                self._write("E", "mic.go:385", str(error))

    def _rewrite(self, scale_set: ScaleSet, items: list[Json]) -> None:
        """The scale set is written as it was read, with the identities in it."""
        name, count = scale_set.name, f"add [{len(items)}], del [0]"
        self._write("I", "mic.go:755", f"Processing node {name}, {count}")
        self._write("I", "cloudprovider.go:199", f"Updating user assigned MSIs on {name}")
        try:
            self._ask("GET", scale_set.resource_id)
            self._ask("PUT", scale_set.resource_id, _wanted(items))
        except FailedError as error:
            self._write("E", "vmss.go:57", str(error))
            self._write("E", "mic.go:799", f"Updating msis on node {name}, {count} failed with error {error}")

    def _patch(self, scale_set: ScaleSet, items: list[Json]) -> None:
        """Only the identities are written."""
        name, group = scale_set.name, scale_set.resource_group
        counts = f"add [{len(items)}], del [0], update [0]"
        self._write("I", "mic.go:1040", f"processing node {name}, {counts}")
        began = self.world.clock.monotonic()
        got = patched = 0.0
        calls = 0
        failed = f"failed to get vmss {name} in resource group {group}, error: "
        prefix = f"failed to get identity resource, error: {failed}{failed}"
        try:
            self._ask("GET", scale_set.resource_id)
            got = self.world.clock.monotonic() - began
            said = f"updating user-assigned identities on {name}, assign [{len(items)}], unassign [0]"
            self._write("I", "cloudprovider.go:214", said)
            prefix = f"failed to update identities for {name} in {group}, error: "
            self._ask("PATCH", scale_set.resource_id, _wanted(items))
            patched, calls = self.world.clock.monotonic() - began - got, 1
        except FailedError as error:
            self._refused(scale_set, items, f"{prefix}{error}")
        else:
            self._applied(items)
        self._write("I", "stats.go:180", "** stats collected **")
        for title, seconds in (("GET", got), ("PATCH", patched)):
            self._write("I", "stats.go:162", f"Cloud provider {title}: {duration(seconds)}")
        self._write("I", "stats.go:169", f"Number of cloud provider PATCH: {calls}")
        self._write("I", "stats.go:162", f"Total: {duration(self.world.clock.monotonic() - began)}")

    def _refused(self, scale_set: ScaleSet, items: list[Json], error: str) -> None:
        counts = f"(add [{len(items)}], del [0], update[0])"
        said = f"failed to update user-assigned identities on node {scale_set.name} {counts}, error: {error}"
        self._write("E", "mic.go:1111", said)
        for item in items:
            spec, bound_by = item["spec"], item["spec"]["azureBindingRef"]["metadata"]
            message = (
                f"failed to apply binding {bound_by['namespace']}/{bound_by['name']} node {spec['nodename']} "
                f"for pod {spec['podNamespace']}/{spec['pod']}, error: {error}"
            )
            self._write("E", "mic.go:1129", message)
            self.events.append(Event("Warning", "binding apply error", message, 10, "aadpodidentity.k8s.io"))

    def _applied(self, items: list[Json]) -> None:
        for item in items:
            spec, bound_by = item["spec"], item["spec"]["azureBindingRef"]["metadata"]
            message = (
                f"Binding {bound_by['name']} applied on node {spec['nodename']} "
                f"for pod {item['metadata']['name']}"
            )
            self.events.append(Event("Normal", "binding applied", message, 10, "aadpodidentity.k8s.io"))

    # -- Azure ----------------------------------------------------------------------------------------

    def _group(self) -> str:
        return self.world.azure.scale_sets[0].resource_id.partition("/providers/")[0]

    def _ask(self, method: str, path: str, body: Json | None = None) -> None:
        """Ask ARM. Raises FailedError."""
        url = f"{RESOURCE.rstrip('/')}{path}{API}"
        headers = {"Authorization": f"Bearer {self._token(url)}"}
        content = b"" if body is None else json.dumps(body).encode()
        request = httpx.Request(method, url, headers=headers, content=content)
        response = Path(self.world).send(Place(self.pod), request, SECONDS)
        if response.is_error:
            raise FailedError(self._said(method, path, response))

    def _said(self, method: str, path: str, response: httpx.Response) -> str:
        client = "VirtualMachinesClient" if "/virtualMachines/" in path else "VirtualMachineScaleSetsClient"
        status = response.status_code
        if method == "GET":
            return (
                f"compute.{client}#Get: Failure responding to request: StatusCode={status} -- "
                f"Original Error: {arm.request_error(response)}"
            )
        verb = "Update" if method == "PATCH" else "CreateOrUpdate"
        shown = 0 if self.version >= FUTURES_SINCE else status
        return (
            f"compute.{client}#{verb}: Failure sending request: StatusCode={shown} -- "
            f"Original Error: {arm.service_error(response)}"
        )

    def _token(self, wanted: str) -> str:
        """A token for ARM: of the cluster's service principal, or of the node's identity. Raises FailedError."""
        azure = self.world.azure
        cluster = azure.clusters[0]
        if cluster.client_id:
            form = {
                "client_id": cluster.client_id,
                "client_secret": cluster.client_secret,
                "grant_type": "client_credentials",
                "resource": RESOURCE,
            }
            url = f"https://login.microsoftonline.com/{azure.tenants[0].id}/oauth2/token?api-version=1.0"
            response = go.Client(self.world, Place(self.pod)).send("POST", url, form=form)
        else:
            kubelet = azure.identity(cluster.kubelet_identity)
            client_id = kubelet.client_id if kubelet else ""
            response = Program(self.world, self.pod).metadata(RESOURCE, "2018-02-01", client_id=client_id)
        if response.is_error:
            raise FailedError(entra.adal(response, wanted))
        return str(response.json()["access_token"])

    def _write(self, severity: str, place: str, text: str) -> None:
        self.log.append(f"{header(severity, self.world.clock.now(), place, 1)}{text}")


def _full_name(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _wanted(items: list[Json]) -> Json:
    names: Json = {item["spec"]["azureIdentityRef"]["spec"]["resourceID"]: {} for item in items}
    return {"identity": {"type": "UserAssigned", "userAssignedIdentities": names}}


def duration(seconds: float) -> str:
    """Seconds as Go prints a time.Duration that is not below a second, or `0s`.

    Source: golang/go src/time/time.go (Duration.String).
    """
    if not seconds:
        return "0s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    shown = f"{rest:.9f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown
