"""What a run says of a world that is staged on the real cluster, and of the same world in the lab.

Both are told with the same knowledge through the same doors: where they differ, the lab is wrong, or the stage is.
"""

from collections import Counter
from dataclasses import dataclass, replace

from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.lab import faults, objects
from acrcheck.lab.faults import SYSTEM_NODE, Fault
from acrcheck.lab.scenario import load_scenarios, look
from acrcheck.lab.world import World
from acrcheck.report.json import document
from tests.cluster.harness import Json


def by_hand(world: World) -> None:
    """Coderd was installed with kubectl."""
    metadata = world.deployment["metadata"]
    for key in objects.HELM_LABELS:
        metadata["labels"].pop(key, None)
    for key in [key for key in metadata.get("annotations", {}) if key.startswith("meta.helm.sh/")]:
        del metadata["annotations"][key]
    world.releases.clear()


def no_image(world: World) -> None:
    """The run is not told of an image."""
    world.target = replace(world.target, image="")


def unnamed(world: World) -> None:
    """The registry that is there, as Azure says, has no name in the DNS."""
    host = world.registry.login_server
    _, _, path = world.target.image.partition("/")
    world.target = replace(world.target, image=f"{host}/{path}", registry="")
    del world.network.names[host]


@dataclass(frozen=True)
class Twin:
    """The lab's scenario that is the same world as a staged one.

    Attributes:
        scenario: its id.
        as_staged: what makes the lab's world like the stage in what is not broken.
        other_size: why the number of pods differs; then only the kinds of statuses must agree.
    """

    scenario: str
    as_staged: tuple[Fault, ...] = (by_hand, no_image, faults.scale(1))
    other_size: str = ""


ONE = faults.scale(1)
TWO = (by_hand, no_image)
TWINS = {
    "healthy": Twin("healthy", (by_hand,)),
    "another-identity": Twin("kubelets-token"),
    "older-connection": Twin("old-connection"),
    "no-label-helm": Twin("label-missing", (no_image,)),
    "no-label": Twin("label-missing-by-hand"),
    "no-label-gitops": Twin("label-missing-gitops"),
    "label-on-one-pod": Twin("label-on-one-pod-by-hand", TWO),
    "label-lost-by-one-pod": Twin("label-on-some-pods", TWO),
    "label-in-wrong-case": Twin("label-wrong-case"),
    "binding-missing": Twin("binding-missing"),
    "identity-misspelt": Twin("binding-misspelt"),
    "objects-elsewhere": Twin("objects-in-other-namespace"),
    "wrong-client-id": Twin("client-id-not-the-one-asked-for"),
    "wrong-everywhere": Twin("client-id-wrong"),
    "missing-on-one-pool": Twin("identity-missing-on-node", TWO),
    "host-network": Twin("host-network-by-hand"),
    "no-role": Twin("no-role", (by_hand, ONE)),
    "tag-missing": Twin("tag-missing", (by_hand, ONE)),
    "no-leave-to-exec": Twin("no-exec"),
    "no-leave-to-read-objects": Twin("no-identity-objects"),
    "nmi-down": Twin("nmi-absent", TWO),
    "nmi-crashing": Twin("nmi-crash-looping", (by_hand, no_image, ONE, faults.nmi_crashing(SYSTEM_NODE))),
    "imds-down": Twin("imds-stopped", TWO),
    "imds-firewalled": Twin("imds-blocked"),
    "unassigned": Twin("not-assigned"),
    "stale-on-one-node": Twin(
        "imds-stale", TWO, "the lab has a third node where the stage puts both nodes into one scale set"
    ),
    "registry-unknown": Twin("registry-misspelt", (by_hand, ONE, unnamed)),
}
"""Of the staged worlds that are mended, by their names."""


NMI = "NMI is a stand-in on each node, which is ready when its redirect is there and takes it away in the end"
MIC = "MIC is a stand-in that assigns nothing and watches nobody"
ADDRESS = (
    "all of Azure is one address of the test cluster, which a firewall or a DNS name can only reach whole"
)
PULLED = "test_pulls stages a pull that fails for it, beside pods that are well, and looks at its cause"
CANNED = "nobody gives this answer on the way to the registry of a workload whose image is there"
CLOCK = "the operator's clock is the machine's"
IMAGES = "no image of the test cluster has these programs and no others"
KINDS = "each kind is staged when it is well and when it lacks the label; what else breaks, Coder's Deployment shows"
AUTOSCALED = "no stage has an autoscaler"
WORKSPACES = "no stage has a workspace, or Coder v2; a Coder that answers is staged beside a control plane"
MACHINES = "needs a node whose disk, program, or DNS server is another one"
EVENTS = "the API server of the test cluster keeps its events for an hour"
RELEASES = "test_values stages Helm's values and releases, and applies what is printed"
OTHER_GATES = (
    "nothing else decides it than what decides the gates that are staged: pods, flags and Helm's Secrets"
)
GATE = "what is outside of the release is another there, which no namespace of the test cluster can hold"
UNSTAGED = {
    **dict.fromkeys(
        (
            "upgrade-on-old-kubernetes",
            "upgrade-certificate-ends",
            "upgrade-pool-without-identity",
            "upgrade-pool-without-nmi",
            "upgrade-pool-without-token",
            "upgrade-pool-of-windows",
            "upgrade-without-room",
        ),
        GATE,
    ),
    **dict.fromkeys(("upgrade-on-failure", "upgrade-to-coder-2", "upgrade-without-revision"), OTHER_GATES),
    **dict.fromkeys(
        (
            *(
                "values-as-documented",
                "values-under-wrong-parent",
                "values-label-number",
                "values-chart-too-old",
            ),
            *("values-removed-key", "values-half-certificate", "release-pending", "release-edited"),
        ),
        RELEASES,
    ),
    "healthy-debug-container": "test_probe stages it, and looks at what the API server was asked",
    "healthy-probe-pod": "test_probe stages it, and looks at what the API server was asked",
    **dict.fromkeys(
        (
            "both-identities-pull",
            "nodes-pull-coderd-does-not",
            "coderd-pulls-nodes-do-not",
            "neither-identity-pulls",
            "nodes-do-not-pull-what-they-have",
            "pull-fails-on-full-disk",
            "pull-not-tried-under-pressure",
            "pull-works-for-a-throw-away-pod",
        ),
        "test_kubelet_pull stages pulls of its own, and looks at what the API server was asked",
    ),
    "abac-read": "the identity of the test cluster has roles on the registry alone",
    **dict.fromkeys(
        (
            *("image-read-disabled", "image-in-quarantine", "digest-in-quarantine", "tag-soft-deleted"),
            *("tag-deleted", "replica-behind", "replica-behind-read"),
        ),
        "the registry behind the simulated front knows no locks, no quarantine and nothing that is deleted",
    ),
    "registry-suffix-misspelt": PULLED,
    **dict.fromkeys(
        ("registry-firewall-unread", "public-access-disabled-unread"),
        "the same where the settings may be read is staged",
    ),
    "healthy-from-here": "the machine that asks trusts and resolves nothing of the test cluster's Azure",
    "healthy-on-chosen-node": "test_probe stages such pods, and looks at what the API server was asked",
    "healthy-ten-replicas": "the machine is too small for ten pods beside all others",
    "healthy-private-endpoint": ADDRESS,
    "old-connection-unread": "its pods have to be there before NMI, where one such world is staged already",
    "label-rolling-out": "a rollout does not hold still to be looked at",
    "rolling-out": "a rollout does not hold still to be looked at",
    "crds-missing": "with the definitions, every other world would lose its objects",
    "host-network": "the stand-in of Coder's chart has no value for it; the same without Helm is staged",
    "ebpf-routing": "needs nodes with eBPF host routing",
    "windows-node": "needs a Windows node",
    "identity-missing-on-pool": "needs a third node",
    "proxy-swallows-imds": "needs a proxy",
    **dict.fromkeys(("nmi-not-ready", "nmi-twice", "redirect-missing", "nmi-blind", "imds-throttled"), NMI),
    **dict.fromkeys(("healthy-standard", "healthy-across-namespaces", "healthy-probe-pod-standard"), MIC),
    **dict.fromkeys(("label-missing-standard", "resource-id-malformed", "mic-absent", "mic-crashing"), MIC),
    "assignment-created": MIC,
    **dict.fromkeys(
        ("egress-blocked", "connection-refused", "private-endpoint-unreachable", "private-endpoint-unlinked"),
        PULLED,
    ),
    **dict.fromkeys(("all-egress-blocked", "connection-reset", "privatelink-name"), ADDRESS),
    "private-endpoint-unlinked-seen": ADDRESS,
    "data-endpoint-unlinked": ADDRESS,
    "imds-restricted": "AKS's own rules are needed; to the pods they look like the firewall that is staged",
    "imds-updating": NMI,
    "node-identity-unnamed": "no stage takes label and objects from pods of their node's network",
    **dict.fromkeys(
        ("healthy-node-identity", "healthy-host-network"), "nodes of the test cluster have one identity"
    ),
    "healthy-anonymous-pull": "the run asks the same of it as of any registry",
    "healthy-proxy-exempt": "needs a proxy",
    "healthy-old-chart": "the stand-in of Coder's chart is of one version",
    "healthy-mixed-pools": "needs nodes of other platforms",
    **dict.fromkeys(("no-dns", "no-dns-on-node"), "one DNS server answers every node and every namespace"),
    **dict.fromkeys(("tls-intercepted", "certificate-expired", "image-locked"), PULLED),
    "all-tls-intercepted": ADDRESS,
    **dict.fromkeys(("registry-throttled", "registry-failing", "web-page"), PULLED),
    **dict.fromkeys(("arm-refuses", "other-registry", "plain-realm"), CANNED),
    **dict.fromkeys(("platform-missing", "manifest-purged", "not-an-image", "blob-corrupt"), PULLED),
    **dict.fromkeys(("storage-blocked", "data-endpoint-blocked"), PULLED),
    **dict.fromkeys(("old-tls", "flaky"), "the simulated Azure speaks as Azure does, and at once"),
    **dict.fromkeys(("clock-ahead", "clock-behind"), CLOCK),
    **dict.fromkeys(("healthy-python-only", "wget-only"), IMAGES),
    **dict.fromkeys(
        (
            "waits-for-missing-tag",
            "waits-for-platform",
            "waits-without-credential",
            "waits-with-wrong-password",
            "waits-behind-firewall",
            "waits-for-missing-secret",
            "waits-for-invalid-name",
            "waits-for-next-attempt",
            "pull-secret-absent",
            "pull-secret-opaque",
            "pull-secret-broken-auth",
            "pull-secret-capitals",
            "pull-secret-identity-token",
            "pull-secret-of-yesterday",
            "pull-secret-admin-off",
            "pull-secret-line-break",
            "pull-secret-mail",
            "pull-secret-without-pull",
            "pull-secret-principal-secret-wrong",
            "pull-secret-principal-secret-old",
        ),
        PULLED,
    ),
    **dict.fromkeys(
        (
            "cronjob",
            "named-by-pod",
            "cronjob-label-missing",
            "bare-pod-label-wrong-case",
            "job-label-wrong-case",
            "cronjob-label-wrong-case",
            "bare-pod-label-is-not-selector",
            "job-label-is-not-selector",
            "cronjob-label-is-not-selector",
            "statefulset-on-delete",
            "statefulset-old-connections",
            "statefulset-on-delete-old-connections",
            "daemonset-old-connections",
            "job-old-connections",
            "cronjob-old-connections",
            "bare-pod-old-connections",
            "job-nmi-down",
            "cronjob-nmi-down",
            "bare-pod-nmi-down",
            "statefulset-on-delete-nmi-down",
        ),
        KINDS,
    ),
    "autoscaled": AUTOSCALED,
    **dict.fromkeys(
        (
            "coder-workspaces",
            "coder-v2",
            "coder-static-credentials",
            "workspace-tag-not-found",
        ),
        WORKSPACES,
    ),
    **dict.fromkeys(
        (
            "waits-without-provider",
            "waits-without-dns",
            "waits-with-full-disk",
            "waits-with-refused-principal",
        ),
        MACHINES,
    ),
    "waits-and-nobody-says-why": EVENTS,
    "healthy-waited-before": "a pull that works again takes the failure's event out of sight at its own time",
    "healthy-pull-secret": "every pull secret that is mended in test_pulls comes to it",
    **dict.fromkeys(
        ("waits-where-it-is-never-pulled", "image-never-pulled", "password-changed-image-kept"),
        "no stage has a coderd whose image its nodes keep and may not fetch again",
    ),
    "init-image-in-capitals": "the test cluster's coderd has no init container",
}
"""The lab's scenarios that are not staged on the real cluster, and why."""


@dataclass(frozen=True)
class Told:
    """What a report says, without the names of what it is about.

    Attributes:
        causes: in their order, each with its confidence and the ids of its remedies.
        statuses: of each check, in the order of the report: how many subjects have which status.
    """

    code: int
    causes: tuple[tuple[str, float, tuple[str, ...]], ...]
    statuses: dict[str, Counter[str]]

    @property
    def of_any_size(self) -> "Told":
        """The same, whatever the number of subjects is."""
        kinds = {check: Counter(set(found)) for check, found in self.statuses.items()}
        return replace(self, statuses=kinds)


def told(report: Json) -> Told:
    """Reduce a report to what both worlds must agree on."""
    statuses: dict[str, Counter[str]] = {}
    for category in report["categories"]:
        for check in category["checks"]:
            statuses.setdefault(check["id"], Counter())[check["status"]] += 1
    causes = tuple(
        (
            cause["id"],
            cause["confidence"],
            tuple(dict.fromkeys(remedy["id"] for remedy in cause["remedies"])),
        )
        for cause in report["causes"]
    )
    return Told(report["summary"]["exitCode"], causes, statuses)


def in_the_lab(twin: Twin) -> Told:
    """What a run says of the lab's world."""
    checks = load_checks(builtin_dir())
    scenario = next(item for item in load_scenarios(builtin_dir()) if item.id == twin.scenario)
    world = faults.broken(scenario.build(), *twin.as_staged)
    return told(document(look(world, checks, load_causes(builtin_dir(), checks))[0]))
