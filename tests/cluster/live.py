"""Every scenario, staged and run once; what came of it is shared by all tests that look at it."""

import json
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.cluster import azure, crds, oracle, podidentity, remedies, scenarios, worlds
from tests.cluster.harness import Cluster, Json
from tests.cluster.oracle import Verdict
from tests.cluster.place import Place
from tests.cluster.product import Product, Run
from tests.cluster.remedies import Done
from tests.cluster.running import say
from tests.cluster.scenarios import Scenario
from tests.cluster.worlds import Altered, Seen

AT_ONCE = 4
UNTOUCHED = ["leases.coordination.k8s.io", "events", "events.events.k8s.io"]
"""What changes by itself in a cluster at rest."""
HEALTHY = "healthy"
READS = {"get", "list", "watch"}
REVIEWS = {"selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews"}
"""What asks the API server what somebody may do: created, and kept nowhere."""


@dataclass
class Outcome:
    """What came of a scenario.

    Attributes:
        before: the run on the broken world.
        verdicts: az's, on the broken world.
        done: the remedies that were carried out.
        after: the run on the mended world.
        trouble: why the scenario could not be played to its end; empty when it was.
    """

    scenario: Scenario
    before: Run | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    after: Run | None = None
    trouble: str = ""

    @property
    def runs(self) -> list[Run]:
        """Those there are."""
        return [run for run in (self.before, self.after) if run is not None]

    @property
    def named(self) -> Json:
        """The cause that had to be named, as the report on the broken world has it; empty when it has not."""
        causes = self.before.causes if self.before else []
        return next((cause for cause in causes if cause["id"] == self.scenario.cause), {})


@dataclass
class Rest:
    """The run on a world in which nothing is broken, and what it changed."""

    run: Run
    verdicts: list[Verdict]
    changed: list[str]


@dataclass
class Sight:
    """What a run said of a world that was only looked at, or why there is none."""

    run: Run | None = None
    trouble: str = ""


@dataclass
class Played:
    """All that was played."""

    outcomes: dict[str, Outcome]
    sights: dict[str, Sight] = field(default_factory=dict)
    rest: Rest | None = None
    trouble: str = ""
    """Why the world at rest could not be looked at."""


class Stage:
    """Plays scenarios on one cluster."""

    def __init__(self, cluster: Cluster, product: Product) -> None:
        self._cluster = cluster
        self._product = product

    def play(self, names: Iterable[str]) -> Played:
        """Play the scenarios of these names, each once."""
        wanted = frozenset(names)
        self._cluster.set_azure(azure.healthy())
        podidentity.remove(self._cluster)
        self._cluster.apply(*crds.definitions())
        played = Played({})
        first = [scenarios.OLDER.name, scenarios.FIRST.name]
        if wanted & set(first):
            self._before_nmi(wanted, played)
        podidentity.install(self._cluster)
        if scenarios.OLDER.name in wanted:
            self._place(scenarios.OLDER).make_identity(roles=())
            played.outcomes[scenarios.OLDER.name] = self._one(scenarios.OLDER)
        if HEALTHY in wanted:
            try:
                played.rest = self._rest()
            except Exception:  # noqa: BLE001 - the scenarios go on; the test of this one fails with it
                played.trouble = traceback.format_exc()
        local = [scenario for scenario in scenarios.LOCAL if scenario.name in wanted]
        seen = [world for world in worlds.SEEN if world.name in wanted]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes, sights = pool.map(self._one, local), pool.map(self._look, seen)
            played.outcomes |= {outcome.scenario.name: outcome for outcome in outcomes}
            played.sights |= dict(sights)
        played.sights |= self._altered([world for world in worlds.ALTERED if world.name in wanted])
        for scenario in scenarios.ALONE:
            if scenario.name in wanted:
                played.outcomes[scenario.name] = self._one(scenario)
        return played

    def _before_nmi(self, wanted: frozenset[str], played: Played) -> None:
        if scenarios.OLDER.name in wanted:
            scenarios.before_nmi(self._place(scenarios.OLDER))
        if scenarios.FIRST.name in wanted:
            played.outcomes[scenarios.FIRST.name] = self._one(scenarios.FIRST)

    def _place(self, scenario: Scenario) -> Place:
        return Place(self._cluster, scenario.name)

    def _one(self, scenario: Scenario) -> Outcome:
        """Play one; whatever goes wrong is told by the tests of this scenario and by no others."""
        started = time.monotonic()
        outcome, place = Outcome(scenario), self._place(scenario)
        for step in (self._broken_and_mended, self._taken_back):
            try:
                step(outcome, place)
            except Exception:  # noqa: BLE001 - the other scenarios go on; this one's tests fail with it
                outcome.trouble += traceback.format_exc()
        say(
            f"{scenario.name}: {'broke off' if outcome.trouble else 'played'} in {time.monotonic() - started:.0f} s"
        )
        return outcome

    def _taken_back(self, outcome: Outcome, place: Place) -> None:
        outcome.scenario.undo(place)
        place.remove()

    def _broken_and_mended(self, outcome: Outcome, place: Place) -> None:
        scenario = outcome.scenario
        place.make()
        scenario.stage(place)
        beside = oracle.place(self._cluster, place.namespace, per_node=scenario.per_node)
        outcome.before = self._run(scenario, place, "before")
        outcome.verdicts = self._az(place, beside, outcome.before)
        outcome.done = remedies.carry_out(self._cluster, outcome.named) if outcome.named else []
        if scenario.mend:
            scenario.mend(place)
        place.settle()
        outcome.after = self._run(scenario, place, "after")

    def _look(self, world: Seen) -> tuple[str, Sight]:
        """Stage one world and look at it once."""
        place, sight = Place(self._cluster, world.name), Sight()
        try:
            place.make()
            world.stage(place)
            kubeconfig = scenarios.operators(place) if world.limited else None
            flags = ("-n", place.namespace, *world.flags(place))
            sight.run = self._product.run(self._cluster, world.name, *flags, kubeconfig=kubeconfig)
        except Exception:  # noqa: BLE001 - the others go on; this one's tests fail with it
            sight.trouble = traceback.format_exc()
        finally:
            place.remove()
        return world.name, sight

    def _altered(self, altered: list[Altered]) -> dict[str, Sight]:
        """Look at one workload that is well under each change of Azure."""
        if not altered:
            return {}
        place = Place(self._cluster, "altered")
        place.healthy(replicas=2)
        sights = {world.name: self._alter(world, place) for world in altered}
        place.remove()
        return sights

    def _alter(self, world: Altered, place: Place) -> Sight:
        before = self._cluster.azure
        try:
            with place.azure() as state:
                world.alter(state, place.identity.object_id)
            flags = ("-n", place.namespace, "--image", scenarios.TAG)
            return Sight(self._product.run(self._cluster, world.name, *flags))
        except Exception:  # noqa: BLE001 - the others go on; this one's tests fail with it
            return Sight(trouble=traceback.format_exc())
        finally:
            self._cluster.set_azure(before)

    def _az(self, place: Place, beside: dict[str, str], run: Run) -> list[Verdict]:
        resource_id = place.identity.resource_id
        return oracle.ask(self._cluster, place.namespace, beside, resource_id, logged_in(run))

    def _run(self, scenario: Scenario, place: Place, when: str) -> Run:
        kubeconfig = scenario.kubeconfig(place) if scenario.kubeconfig else None
        flags = ("-n", place.namespace, *scenario.flags(place))
        return self._product.run(self._cluster, f"{scenario.name}-{when}", *flags, kubeconfig=kubeconfig)

    def _rest(self) -> Rest:
        place = Place(self._cluster, HEALTHY)
        place.healthy(replicas=2)
        flags = ("-n", place.namespace, "--image", scenarios.TAG)
        look = Look(self._cluster)
        run = self._product.run(self._cluster, HEALTHY, *flags)
        changed = look.changed()
        beside = oracle.place(self._cluster, place.namespace, per_node=True)
        verdicts = self._az(place, beside, run)
        place.remove()
        return Rest(run, verdicts, changed)


class Look:
    """A look at every object, to be compared with a later one.

    A busy kubelet writes the status of its pods whenever it likes: what the cluster's own components wrote in the
    meantime, by the audit log, is not held against what ran.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        # The log first: what a kubelet writes while the objects are looked at must be found in it.
        self._place = cluster.audit_log.stat().st_size
        self._versions = settled_versions(cluster)

    def changed(self) -> list[str]:
        """Name what somebody else than the cluster itself created, changed, deleted or wrote to."""
        now = versions(self._cluster)
        differ = [key for key in {*now, *self._versions} if now.get(key) != self._versions.get(key)]
        own, others = set[str](), list[str]()
        for event in self._events():
            about = event.get("objectRef") or {}
            name = f"{about.get('namespace', '')}/{about.get('name', '')}"
            if (
                event["verb"] in READS
                or about.get("resource") in REVIEWS
                or about.get("subresource") == "exec"
            ):
                continue
            if event["user"]["username"].startswith("system:"):
                own.add(name)
            else:
                others.append(
                    f"{event['verb']} {about.get('resource')} {name} by {event['user']['username']}"
                )
        return others + [key for key in differ if key.partition(" ")[2] not in own]

    def _events(self) -> list[Json]:
        with self._cluster.audit_log.open("rb") as log:
            log.seek(self._place)
            return [json.loads(line) for line in log if line.endswith(b"\n")]


def settled_versions(cluster: Cluster) -> dict[str, str]:
    """The same, as soon as two looks see no difference: what was made before has come to rest."""
    seen: list[dict[str, str]] = [{}]

    def at_rest() -> bool:
        if '"Terminating"' in cluster.kubectl("get", "namespaces", "-o", "json").stdout:
            return False
        seen.append(versions(cluster))
        return seen[-1] == seen[-2]

    cluster.wait("a cluster at rest", at_rest)
    return seen[-1]


def versions(cluster: Cluster) -> dict[str, str]:
    """The resource version of every object but those that change by themselves."""
    listed = cluster.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    kinds = ",".join(kind for kind in listed if kind not in UNTOUCHED)
    items = json.loads(cluster.kubectl("get", kinds, "-A", "-o", "json").stdout)["items"]
    return {
        f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}": str(
            item["metadata"].get("resourceVersion")
        )
        for item in items
    }


def logged_in(run: Run) -> dict[str, bool]:
    """By pod, whether a run says that az login works there."""
    return {
        str(check["subject"]).rpartition("/")[2]: check["status"] in {"pass", "warn"}
        for check in run.checks
        if check["id"] == "login"
    }
