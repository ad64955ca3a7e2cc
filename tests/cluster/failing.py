"""Every failed pull, staged and run once; what came of it is shared by all tests that look at it."""

import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from acrcheck.lab.azure import Azure, Registry, RoleAssignment
from tests.cluster import azure, front, podidentity, pulls, remedies
from tests.cluster.front import Way
from tests.cluster.harness import Cluster, Json, must
from tests.cluster.layout import NODES, SUBSCRIPTION
from tests.cluster.product import Product, Run
from tests.cluster.pulling import IPTABLES, SHARED, PullPlace
from tests.cluster.pulls import Pull
from tests.cluster.remedies import Done
from tests.cluster.running import azure_names, say
from tests.cluster.today import Tools, Verdicts

AT_ONCE = 6
PATIENCE = 180
"""Seconds for the kubelet's word: it tries twice to connect to what does not answer, half a minute each."""


@dataclass
class Outcome:
    """What came of a pull that fails.

    Attributes:
        said: what the kubelets warned of.
        run: the run on the broken world.
        today: what today's tools say of it.
        done: the remedies that were carried out.
        works: whether every pod has its image in the end.
        trouble: why it could not be played to its end; empty when it was.
    """

    pull: Pull
    said: list[str] = field(default_factory=list)
    run: Run | None = None
    today: Verdicts | None = None
    done: list[Done] = field(default_factory=list)
    works: bool = False
    trouble: str = ""

    @property
    def named(self) -> Json:
        """The cause that had to be named, as the report has it; empty when it has not."""
        causes = self.run.causes if self.run else []
        return next((cause for cause in causes if cause["id"] == self.pull.cause), {})


class Stage:
    """Plays failed pulls on one cluster."""

    def __init__(self, cluster: Cluster, product: Product) -> None:
        self._cluster = cluster
        self._product = product
        self._tools = Tools(cluster)

    def play(self, wanted: Iterable[str]) -> dict[str, Outcome]:
        """Play the pulls of these names, each once."""
        names = frozenset(wanted)
        chosen = [(pull, self._place(pull)) for pull in pulls.ALL if pull.name in names]
        self._prepare(chosen)
        try:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                # Those that are waited for longest begin.
                side = sorted(
                    (item for item in chosen if item[0] not in pulls.ALONE),
                    key=lambda item: -item[0].failures,
                )
                outcomes = list(pool.map(lambda item: self._one(*item), side))
            outcomes += [self._one(*item) for item in chosen if item[0] in pulls.ALONE]
        finally:
            self._tools.remove()
            front.write(self._cluster.layout.state, {})
            self._cluster.set_azure(azure.healthy())
            self._cluster.set_names(azure_names(azure.healthy()))
        return {outcome.pull.name: outcome for outcome in outcomes}

    def _place(self, pull: Pull) -> PullPlace:
        number = pulls.ALL.index(pull)
        return PullPlace(self._cluster, f"pull-{pull.name}", number=number, domain=pull.domain)

    def _prepare(self, chosen: Sequence[tuple[Pull, PullPlace]]) -> None:
        """Make every registry and the way to it, at once; and the identity with which az looks at them."""
        state, ways = azure.healthy(), dict[str, Way]()
        for pull, place in chosen:
            registry = Registry(place.registry, place.host, place.registry_id, azure.TENANT)
            pull.alter(state, registry)
            state.registries.append(registry)
            _let_pods_in(state, place)
            state.roles += [place.node_role] if pull.role else []
            ways[place.host] = Way(place.address)
            ways.setdefault(registry.data_host, Way(SHARED))
            pull.way(place, registry, ways)
        everywhere = f"/subscriptions/{SUBSCRIPTION}"
        az = azure.coder_identity().object_id
        state.roles += [RoleAssignment(az, role, everywhere) for role in ("AcrPull", "Reader")]
        must(self._cluster.inside(*IPTABLES, "-F", "INPUT"))
        self._cluster.set_azure(state)
        front.write(self._cluster.layout.state, ways)
        self._cluster.set_names(azure_names(state))
        if not all(podidentity.redirected(self._cluster, node) for node in NODES):
            podidentity.install(self._cluster)
        self._tools.make()

    def _one(self, pull: Pull, place: PullPlace) -> Outcome:
        """Play one; whatever goes wrong is told by the tests of this pull and by no others."""
        started, outcome = time.monotonic(), Outcome(pull)
        try:
            self._broken_and_mended(outcome, place)
        except Exception:  # noqa: BLE001 - the other pulls go on; this one's tests fail with it
            outcome.trouble = traceback.format_exc()
        place.remove()
        how = "broke off" if outcome.trouble else "played"
        say(f"{pull.name}: {how} in {time.monotonic() - started:.0f} s")
        return outcome

    def _broken_and_mended(self, outcome: Outcome, place: PullPlace) -> None:
        pull = outcome.pull
        place.clear()
        place.push()
        place.bind()
        place.coderd(labels=place.labels, replicas=2)
        pull.stage(place)
        node = {"nodeSelector": {"agentpool": pull.pool}} if pull.pool else {}
        place.roll_out(pull.image(place), named=pull.secret, **node)
        self._cluster.wait(
            f"the kubelet's word about {pull.name}",
            lambda: place.failures(pull.said) >= pull.failures and bool(place.waiting()),
            PATIENCE,
            every=1,
        )
        outcome.said = place.said()
        pull.meanwhile(place)
        outcome.run = self._product.run(self._cluster, place.namespace, "-n", place.namespace)
        outcome.said = list(dict.fromkeys([*outcome.said, *place.said()]))
        outcome.today = self._tools.ask(place.registry, place.host)
        pull.issue(place)
        if outcome.named:
            typed = pulls.TOKEN, pulls.PASSWORD
            outcome.done = remedies.carry_out(self._cluster, outcome.named, *typed)
        if pull.mend:
            pull.mend(place)
        # What waits for its next attempt need not wait for it.
        if waiting := place.waiting():
            place.kubectl("delete", "pod", "--wait=false", "--ignore-not-found", *waiting)
        self._cluster.rollout("deployment/coderd", place.namespace)
        outcome.works = True


def _let_pods_in(state: Azure, place: PullPlace) -> None:
    """Give the namespace's pods an identity that may pull, which is nothing to the kubelet."""
    mine = place.identity
    state.identities.append(mine)
    for scale_set in state.scale_sets:
        scale_set.identities.append(mine.resource_id)
    state.roles += [RoleAssignment(mine.object_id, role, place.registry_id) for role in ("AcrPull", "Reader")]
