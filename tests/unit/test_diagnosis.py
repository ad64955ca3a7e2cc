"""From observations to ranked causes and remedies."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from acrcheck.diagnosis import diagnose
from acrcheck.model import (
    EVERYTHING,
    Cause,
    Check,
    Decider,
    Finding,
    Identities,
    Kind,
    Observation,
    Permission,
    Remedy,
    Result,
    Signature,
    Status,
    Subject,
    fail,
    note,
    warn,
)

LAYERS = ("cluster", "label", "token", "role")
NO_LABEL = fail("no-label", "pod {pod} has no label")
NO_TOKEN = fail("no-token", "no token: {said}")
DENIED = fail("denied", "denied")
HELM = note("helm", "release {release}")
READY = note("ready", "ready")
OLD = warn("old", "old")
PULL = fail("pull", "pod {pod} waits: {said}", quotes="said")
WAITS = fail("waits", "pod {pod} waits")
FIXED = note("fixed", "fixed")
POD_A = Subject("pod/a", frozenset({"pod/a", "node/1"}))
POD_B = Subject("pod/b", frozenset({"pod/b", "node/2"}))
NODE_1 = Subject("node/1", frozenset({"node/1"}))


def looking() -> Iterator[Observation]:
    """Stand in for a check's function."""
    yield from ()


def cause(name: str, layer: str = "label", **more: Any) -> Cause:
    """Make a cause."""
    plain = Cause(name, name, layer, ("run",), (), (), (), (), (), "", (), (), (), "", "")
    return replace(plain, **more)


def came(
    name: str, *seen: Observation, subject: Subject = EVERYTHING, status: Status | None = None, **more: Any
) -> Result:
    """Make a result with these observations; those that say no subject are about the result's."""
    placed = tuple(
        replace(item, check=name, subject=subject if item.subject == EVERYTHING else item.subject)
        for item in seen
    )
    kinds: tuple[Kind, ...] = more.pop("sees", tuple({item.kind: None for item in seen}))
    status = status or (Status.FAIL if any(kind.level == "fail" for kind in kinds) else Status.PASS)
    return Result(Check(name, name, looking, sees=kinds), status, subject, placed, **more)


def found(results: list[Result], *causes: Cause, **values: str) -> list[Finding]:
    """Diagnose."""
    return list(diagnose(results, causes, LAYERS, values))


def ids(findings: list[Finding]) -> list[str]:
    """Name the causes in their order."""
    return [finding.cause.id for finding in findings]


LABEL = cause("label", requires=(("no-label",),))
TOKEN = cause("token", "token", requires=(("no-token",),))


class TestCandidates:
    """Which causes are named."""

    def test_all_that_it_requires_must_be_seen(self) -> None:
        """One of each group is enough; a group of which none was seen is too little."""
        both = cause("both", requires=(("no-label", "denied"), ("no-token",)))

        assert ids(found([came("x", NO_LABEL(pod="a"), NO_TOKEN(said=""))], both)) == ["both"]
        assert ids(found([came("x", NO_LABEL(pod="a"))], both)) == []

    def test_it_must_be_seen_on_one_place(self) -> None:
        """What is required of one pod is not met by two."""
        both = cause("both", requires=(("no-label",), ("no-token",)))
        apart = [came("x", NO_LABEL(pod="a"), subject=POD_A), came("x", NO_TOKEN(said=""), subject=POD_B)]
        node = [came("x", NO_LABEL(pod="a"), subject=POD_A), came("x", NO_TOKEN(said=""), subject=NODE_1)]

        assert ids(found(apart, both)) == []
        assert ids(found(node, both)) == ["both"]

    def test_what_contradicts_drops_it_there(self) -> None:
        """On that place only: another pod still has it."""
        contradicted = cause("label", requires=(("no-label",),), contradicts=("ready",))
        first = came("x", NO_LABEL(pod="a"), READY(), subject=POD_A)
        second = came("x", NO_LABEL(pod="b"), subject=POD_B)

        assert ids(found([first], contradicted)) == []
        assert [item.subject for item in found([first, second], contradicted)[0].observations] == [POD_B]

    def test_a_cause_of_texts_only_is_not_named(self) -> None:
        """A run names what a run can see."""
        assert found([came("x", NO_LABEL(pod="a"))], replace(LABEL, seen=("text",))) == []

    def test_what_it_requires_is_told_before_what_supports_it(self) -> None:
        """The decisive observation comes first."""
        supported = cause("token", "token", requires=(("no-token",),), supports=("no-label",))
        finding = found([came("a", NO_LABEL(pod="a")), came("b", NO_TOKEN(said=""))], supported)[0]

        assert [item.id for item in finding.observations] == ["no-token", "no-label"]


class TestBlindness:
    """Causes of which something could not be looked at."""

    BLIND = came(
        "role",
        status=Status.UNKNOWN,
        sees=(DENIED,),
        inconclusive=True,
        permission=Permission("get", "pods", "coder", subresource="log"),
    )
    GUESS = cause("guess", "role", requires=(("denied",),), supports=("no-token",))

    def test_a_guess_stays_for_a_failure_that_nothing_explains(self) -> None:
        """Something that speaks for it was seen, and what it requires could not be."""
        finding = found([self.BLIND, came("x", NO_TOKEN(said=""))], self.GUESS)[0]

        assert finding.cause.id == "guess"
        assert finding.to_decide == (
            (
                "leave to get pods/log in namespace coder (check role)",
                "kubectl auth can-i get pods --subresource=log -n coder",
            ),
        )

    def test_a_guess_goes_where_the_failure_is_explained(self) -> None:
        """A cause that is whole needs no guess beside it."""
        assert ids(found([self.BLIND, came("x", NO_TOKEN(said=""))], self.GUESS, TOKEN)) == ["token"]

    def test_a_guess_stays_beside_its_neighbour(self) -> None:
        """What looks like the whole one is named with less confidence."""
        whole = replace(TOKEN, neighbours=("guess",))
        findings = found([self.BLIND, came("x", NO_TOKEN(said=""))], self.GUESS, whole)

        assert [(item.cause.id, item.confidence) for item in findings] == [("token", 0.5), ("guess", 0.5)]

    def test_a_guess_alone_is_not_certain(self) -> None:
        """What was not looked at may be something else."""
        assert found([self.BLIND, came("x", NO_TOKEN(said=""))], self.GUESS)[0].confidence < 1

    def test_guesses_about_the_same_trouble_are_alternatives(self) -> None:
        """Though no document says that they look alike."""
        other = replace(self.GUESS, id="other")
        findings = found([self.BLIND, came("x", NO_TOKEN(said=""))], self.GUESS, other)

        assert [(item.cause.id, item.confidence) for item in findings] == [("guess", 0.4), ("other", 0.4)]

    def test_a_warning_alone_may_be_guessed_about(self) -> None:
        """It is trouble too."""
        guess = replace(self.GUESS, supports=("old",))

        assert ids(found([self.BLIND, came("x", OLD())], guess)) == ["guess"]
        assert found([self.BLIND, came("x", READY())], replace(guess, supports=("ready",))) == []

    def test_an_optional_check_that_could_not_look_is_blind_too(self) -> None:
        """It makes the run no less conclusive, and a cause no less possible."""
        blind = replace(self.BLIND, inconclusive=False)

        assert ids(found([blind, came("x", NO_TOKEN(said=""))], self.GUESS)) == ["guess"]

    def test_the_permission_is_that_of_the_check_that_stands_in_the_way(self) -> None:
        """What is skipped behind a forbidden question is decided by the same leave."""
        skipped = came("later", status=Status.SKIP, sees=(DENIED,), inconclusive=True, blocked_by="role")
        blind = replace(self.BLIND, check=replace(self.BLIND.check, sees=()))
        finding = found([blind, skipped, came("x", NO_TOKEN(said=""))], self.GUESS)[0]

        assert [text for text, _ in finding.to_decide] == [
            "leave to get pods/log in namespace coder (check role)"
        ]

    def test_what_was_looked_at_and_not_seen_is_no_guess(self) -> None:
        """Without blindness, the cause is not there."""
        assert found([came("x", NO_TOKEN(said=""))], self.GUESS) == []

    def test_a_remedy_of_the_blindness_would_decide(self) -> None:
        """A flag that opens the view is offered."""
        blind = replace(self.BLIND, permission=None, reason="no curl", remedy="--allow probe-pod")
        finding = found([blind, came("x", NO_TOKEN(said=""))], self.GUESS)[0]

        assert finding.to_decide == (("check role: no curl", "--allow probe-pod"),)


class TestHiding:
    """A cause hides those that follow from it."""

    HIDER = replace(LABEL, supports=("no-token", "denied"), hides=("token", "role"))
    ROLE = cause("role", "role", requires=(("denied",),), hides=())

    def test_what_follows_is_not_named(self) -> None:
        """And its check is explained by the one that hides it, with what that blocks."""
        results = [
            came("label", NO_LABEL(pod="a"), subject=POD_A),
            came("token", NO_TOKEN(said=""), subject=POD_A),
            came("scope", status=Status.SKIP, blocked_by="token"),
        ]
        findings = found(results, self.HIDER, TOKEN)

        assert ids(findings) == ["label"]
        assert findings[0].explains == ("label", "token")
        assert findings[0].blocks == ("scope",)

    def test_what_it_does_not_explain_is_named_too(self) -> None:
        """Another failure of a layer that it hides, which it neither requires nor is supported by."""
        results = [came("label", NO_LABEL(pod="a")), came("token", NO_TOKEN(said="")), came("old", OLD())]
        old = cause("old", "token", requires=(("no-token",),), supports=("old",))

        assert ids(found(results, self.HIDER, TOKEN, old)) == ["label", "old"]

    def test_only_where_it_is(self) -> None:
        """Another pod's failure has its own cause."""
        results = [
            came("label", NO_LABEL(pod="a"), subject=POD_A),
            came("token", NO_TOKEN(said=""), subject=POD_B),
        ]

        assert ids(found(results, self.HIDER, TOKEN)) == ["label", "token"]

    def test_a_node_covers_its_pods(self) -> None:
        """What is wrong on a node explains what fails in the pods there."""
        results = [
            came("label", NO_LABEL(pod="a").on(NODE_1)),
            came("token", NO_TOKEN(said=""), subject=POD_A),
        ]

        assert ids(found(results, self.HIDER, TOKEN)) == ["label"]

    def test_down_a_chain_the_first_explains_all(self) -> None:
        """What is hidden by a hidden cause is explained by the one that is left."""
        token = replace(TOKEN, supports=("denied",), hides=("role",))
        results = [came("label", NO_LABEL(pod="a")), came("token", NO_TOKEN(said="")), came("role", DENIED())]
        findings = found(results, replace(self.HIDER, hides=("token",)), token, self.ROLE)

        assert ids(findings) == ["label"]
        assert findings[0].explains == ("label", "token", "role")

    def test_neighbours_do_not_hide_each_other(self) -> None:
        """What looks alike is for the evidence to decide."""
        hider = replace(self.HIDER, neighbours=("token",))

        assert len(found([came("x", NO_LABEL(pod="a"), NO_TOKEN(said=""))], hider, TOKEN)) == 2

    def test_of_two_that_hide_each_other_the_earlier_stays(self) -> None:
        """A ring of causes never hides all of itself."""
        token = replace(TOKEN, supports=("no-label",), hides=("label",))
        results = [came("x", NO_LABEL(pod="a"), NO_TOKEN(said=""))]

        assert ids(found(results, token, self.HIDER)) == ["label"]

    def test_one_that_hides_others_comes_first(self) -> None:
        """Even where another is of an earlier layer."""
        early = cause("early", "cluster", requires=(("old",), ("ready",)))
        results = [came("x", NO_LABEL(pod="a"), NO_TOKEN(said=""), OLD(), READY())]

        assert ids(found(results, early, self.HIDER, TOKEN)) == ["label", "early"]


def spoken(name: str, *texts: str, decides: bool = False, **more: Any) -> Cause:
    """Make a cause that these texts name."""
    signatures = tuple(Signature(text, "containerd", decides=decides) for text in texts)
    return cause(name, **{"seen": ("text",), "signatures": signatures} | more)


GONE, LOST, SILENT = "the flurb was mislaid", "the quonk lost its wibble", "nothing that anybody knows"


def pull(said: str, subject: Subject = POD_A) -> Result:
    """Make a result that quotes a program."""
    return came("pull", PULL(pod=subject.name, said=said), subject=subject)


class TestWords:
    """Causes that a program's own words name, quoted by an observation."""

    GONE = spoken("gone", GONE, decides=True)
    MERE = cause("mere", requires=(("pull",),))
    """Of which there is no more than that something was said."""

    def test_what_decides_is_certain(self) -> None:
        """A cause of texts only is named for once, with the observation as its evidence."""
        findings = found([pull(GONE)], self.GONE)

        assert [(item.cause.id, item.confidence) for item in findings] == [("gone", 1)]
        assert [item.id for item in findings[0].observations] == ["pull"]
        assert findings[0].explains == ("pull",)

    def test_only_what_is_quoted_is_read(self) -> None:
        """The same words in another observation are of acrcheck, and name nothing."""
        assert found([came("x", NO_TOKEN(said=GONE))], self.GONE) == []

    def test_what_is_only_like_a_signature_says_nothing(self) -> None:
        """A run names no cause for a resemblance."""
        assert found([pull("a flurb mislaid itself")], self.GONE) == []

    def test_words_that_suggest_leave_a_share(self) -> None:
        """What they leave open is divided among those they name, and what is not named."""
        decider = Decider("whether it is one", "look", ())
        one = replace(spoken("one", LOST, layer="token"), decides=(decider,))
        findings = found([pull(LOST)], one, spoken("two", LOST, layer="token"))

        assert ids(findings) == ["one", "two"]
        assert findings[0].confidence == findings[1].confidence
        assert 0 < sum(item.confidence for item in findings) < 1
        assert findings[0].to_decide == (("whether it is one", "look"),)

    def test_what_was_seen_and_is_named_is_one_cause(self) -> None:
        """Both are its evidence, and it is surer than what is only named; what they are of may be two places."""
        seen = spoken("seen", LOST, seen=("run", "text"), requires=(("denied",),), neighbours=("two",))
        results = [pull(LOST), came("x", DENIED(), subject=POD_B)]
        findings = found(results, seen, spoken("two", LOST))

        assert ids(findings) == ["seen", "two"]
        assert [item.id for item in findings[0].observations] == ["denied", "pull"]
        assert findings[0].confidence > 0.7

    def test_what_was_seen_there_decides_what_words_mean(self) -> None:
        """Of the causes that they suggest, the one that was seen on the same place is the true one."""
        seen = spoken("seen", LOST, seen=("run", "text"), requires=(("denied",),), neighbours=("two",))
        findings = found([pull(LOST), came("x", DENIED(), subject=POD_A)], seen, spoken("two", LOST))

        assert [(item.cause.id, item.confidence) for item in findings] == [("seen", 1)]

    def test_what_contradicts_drops_it_there(self) -> None:
        """What was seen since on one pod says nothing of another."""
        contradicted = replace(self.GONE, contradicts=("fixed",))
        fixed = came("x", FIXED(), subject=POD_A)

        assert found([pull(GONE), fixed], contradicted) == []
        finding = found([pull(GONE), pull(GONE, POD_B), fixed], contradicted)[0]
        assert [item.subject for item in finding.observations] == [POD_B]

    def test_that_something_was_said_is_a_cause_of_last_resort(self) -> None:
        """It stays where the words name nothing, and goes where they do, or where more was seen."""
        more = cause("more", requires=(("pull",), ("fixed",)))
        fixed = came("x", FIXED(), subject=POD_A)

        assert [(item.cause.id, item.confidence) for item in found([pull(SILENT)], self.GONE, self.MERE)] == [
            ("mere", 0.5)
        ]
        assert ids(found([pull(GONE)], self.GONE, self.MERE)) == ["gone"]
        assert ids(found([pull(SILENT), fixed], self.MERE, more)) == ["more"]
        assert ids(found([pull(GONE), pull(SILENT, POD_B)], self.GONE, self.MERE)) == ["gone", "mere"]

    def test_a_guess_goes_where_words_decide(self) -> None:
        """What could not be looked at is not needed to explain them."""
        blind = came("role", status=Status.UNKNOWN, sees=(DENIED,), inconclusive=True)
        guess = cause("guess", "role", requires=(("denied",),), supports=("pull",))

        assert ids(found([blind, pull(SILENT)], self.GONE, guess)) == ["guess"]
        assert ids(found([blind, pull(GONE)], self.GONE, guess)) == ["gone"]

    def test_a_cause_that_was_seen_hides_what_words_name(self) -> None:
        """Where it requires the observation that quotes them, and names their layer."""
        hider = cause("hider", requires=(("pull",), ("fixed",)), hides=("token",))
        results = [pull(GONE), came("x", FIXED(), subject=POD_A)]

        assert ids(found(results, replace(self.GONE, layer="token"), hider)) == ["hider"]
        assert ids(found(results, replace(self.GONE, layer="role"), hider)) == ["hider", "gone"]

    def test_words_that_decide_hide_what_follows(self) -> None:
        """On the same place, and only what is explained by the same observation."""
        hider = replace(self.GONE, hides=("token",))
        later = cause("later", "token", requires=(("pull",), ("fixed",)))
        other = replace(later, supports=("denied",))
        seen = [pull(GONE), came("x", FIXED(), subject=POD_A)]

        assert ids(found(seen, hider, later)) == ["gone"]
        assert ids(found([*seen, came("y", DENIED(), subject=POD_A)], hider, other)) == ["gone", "later"]


class TestRanking:
    """The order, and the confidence."""

    def test_failures_come_before_warnings(self) -> None:
        """Whatever the layer."""
        old = cause("old", "cluster", requires=(("old",),))

        assert ids(found([came("x", OLD(), NO_TOKEN(said=""))], old, TOKEN)) == ["token", "old"]

    def test_what_was_seen_comes_before_a_guess(self) -> None:
        """Also where its confidence is less, because it shares it with more neighbours."""
        blind = came("role", status=Status.UNKNOWN, sees=(DENIED,), inconclusive=True)
        guess = cause("guess", requires=(("denied",),), supports=("old", "ready"))
        one = cause("one", "token", requires=(("no-token",),), neighbours=("two",))
        two = cause("two", "token", requires=(("no-token",),))
        findings = found([blind, came("x", OLD(), READY(), NO_TOKEN(said=""))], guess, one, two)

        assert [(item.cause.id, item.confidence) for item in findings] == [
            ("one", 0.5),
            ("two", 0.5),
            ("guess", 0.75),
        ]

    def test_then_by_layer_and_name(self) -> None:
        """What is nearer to the cluster comes first, and the order never depends on chance."""
        twin = replace(LABEL, id="a-label")

        assert ids(found([came("x", NO_LABEL(pod="a"), NO_TOKEN(said=""))], TOKEN, LABEL, twin)) == [
            "a-label",
            "label",
            "token",
        ]

    def test_a_cause_alone_is_certain(self) -> None:
        """Without a neighbour that is left the confidence is 1."""
        assert (
            found([came("x", NO_LABEL(pod="a"))], replace(LABEL, neighbours=("token",)), TOKEN)[0].confidence
            == 1
        )

    def test_neighbours_share_it_by_what_speaks_for_them(self) -> None:
        """Supporting evidence weighs; the likelier comes first."""
        one = cause("one", requires=(("denied",),), neighbours=("two",))
        two = cause("two", requires=(("denied",),), supports=("ready",))
        findings = found([came("x", DENIED(), READY())], one, two)

        assert [(item.cause.id, item.confidence) for item in findings] == [("two", 0.67), ("one", 0.33)]

    def test_neighbours_on_different_places_are_no_alternatives(self) -> None:
        """Each is certain of its own pod."""
        one = cause("one", requires=(("no-label",),), neighbours=("two",))
        two = cause("two", requires=(("denied",),))
        results = [came("x", NO_LABEL(pod="a"), subject=POD_A), came("x", DENIED(), subject=POD_B)]

        assert [item.confidence for item in found(results, one, two)] == [1, 1]

    def test_says_what_would_decide(self) -> None:
        """Filled in; only where a neighbour of which it speaks is left."""
        decider = Decider("whether {pod} is", "{kubectl} get pod {pod}", ("two",))
        one = cause("one", requires=(("no-label",),), neighbours=("two", "three"), decides=(decider,))
        two = cause("two", requires=(("no-label",),))
        seen = [came("x", NO_LABEL(pod="a"))]

        assert found(seen, one, two, kubectl="k")[0].to_decide == (("whether a is", "k get pod a"),)
        assert found(seen, one, replace(two, id="three"), kubectl="k")[0].to_decide == ()
        assert found(seen, one, kubectl="k")[0].to_decide == ()


class TestSteps:
    """Remedies with their values filled in."""

    def steps(self, results: list[Result], *remedies: Remedy) -> list[tuple[str, str]]:
        """Give the steps' ids and commands."""
        finding = found(results, replace(LABEL, remedies=remedies), kubectl="kubectl", namespace="coder")[0]
        return [(step.id, step.command) for step in finding.steps]

    @staticmethod
    def remedy(name: str, command: str, *when: str) -> Remedy:
        """Make a remedy."""
        return Remedy(name, "Do it.", command, when, changes=True, who="cluster admin")

    def test_are_filled_from_observations_and_target(self) -> None:
        """The observation's own values come before the run's."""
        steps = self.steps(
            [came("x", NO_LABEL(pod="a"))], self.remedy("fix", "{kubectl} -n {namespace} label pod {pod}")
        )

        assert steps == [("fix", "kubectl -n coder label pod a")]

    def test_apply_when_what_they_ask_for_was_seen(self) -> None:
        """`!` asks for absence."""
        helm, hand = (
            self.remedy("helm", "helm upgrade {release}", "helm"),
            self.remedy("hand", "patch", "!helm"),
        )
        seen = NO_LABEL(pod="a")

        assert self.steps([came("x", seen), came("y", HELM(release="r"))], helm, hand) == [
            ("helm", "helm upgrade r")
        ]
        assert self.steps([came("x", seen)], helm, hand) == [("hand", "patch")]

    def test_are_given_once_for_each_place(self) -> None:
        """A command that names the pod is there for each; one that does not is there once."""
        results = [
            came("x", NO_LABEL(pod="a"), subject=POD_A),
            came("x", NO_LABEL(pod="b"), subject=POD_B),
        ]

        assert self.steps(results, self.remedy("each", "fix {pod}"), self.remedy("once", "fix all")) == [
            ("each", "fix a"),
            ("each", "fix b"),
            ("once", "fix all"),
        ]

    def test_a_missing_value_stays_visible(self) -> None:
        """Nothing is guessed."""
        assert self.steps([came("x", NO_LABEL(pod="a"))], self.remedy("fix", "fix {what}")) == [
            ("fix", "fix WHAT")
        ]

    def test_doubled_braces_are_the_shells(self) -> None:
        """A command may hold braces of its own."""
        assert self.steps([came("x", NO_LABEL(pod="a"))], self.remedy("fix", "${{ID:?none}}")) == [
            ("fix", "${ID:?none}")
        ]


class TestIdentities:
    """What fails for one identity says nothing of another."""

    WHOSE = Identities({"nodes": "Of the nodes.", "pod": "Of the pod."}, frozenset({"role"}))
    NODES = Subject("a", frozenset({"pod/a", "node/1", "identity/nodes"}))
    POD = Subject("b", frozenset({"pod/b", "node/1", "identity/pod"}))
    ROLE = cause(
        "role",
        "role",
        requires=(("denied", "waits"),),
        remedies=(
            Remedy("attach", "attach", "attach", ("waits",), True, "anyone"),
            Remedy("give", "give", "give", ("denied",), True, "anyone"),
        ),
    )

    def named(self, *results: Result, causes: tuple[Cause, ...] = ()) -> list[Finding]:
        """Diagnose with identities."""
        return list(diagnose(results, causes or (self.ROLE,), LAYERS, {}, self.WHOSE))

    def test_a_cause_of_both_is_named_of_each(self) -> None:
        """Each with its own evidence, sentence and remedies."""
        nodes = came("kubelet", WAITS(pod="a"), subject=self.NODES)
        pod = came("exchange", DENIED(), subject=self.POD)
        first, second = self.named(nodes, pod)
        assert [(item.behalf, item.whose) for item in (first, second)] == [
            ("nodes", "Of the nodes."),
            ("pod", "Of the pod."),
        ]
        assert [[step.id for step in item.steps] for item in (first, second)] == [["attach"], ["give"]]
        assert [item.explains for item in (first, second)] == [("kubelet",), ("exchange",)]
        assert [item.confidence for item in (first, second)] == [1.0, 1.0]
        assert first.key != second.key

    def test_of_one_alone_it_is_said_too(self) -> None:
        """Which of the two is broken."""
        (finding,) = self.named(came("exchange", DENIED(), subject=self.POD))
        assert (finding.behalf, finding.whose) == ("pod", "Of the pod.")

    def test_other_layers_have_no_identity(self) -> None:
        """An image that is missing is missing for both: one cause."""
        image = cause("image", "token", requires=(("denied", "waits"),))
        nodes = came("kubelet", WAITS(pod="a"), subject=self.NODES)
        pod = came("manifest", DENIED(), subject=self.POD)
        (finding,) = self.named(nodes, pod, causes=(image,))
        assert (finding.behalf, finding.whose, finding.explains) == ("", "", ("kubelet", "manifest"))

    def test_one_does_not_hide_or_contradict_the_other(self) -> None:
        """That nodes pull well does not clear the pod identity, and the other way round."""
        role = replace(self.ROLE, contradicts=("fixed",), hides=("role",))
        other = cause("other", "role", requires=(("denied", "waits"),))
        nodes = came("kubelet", WAITS(pod="a"), FIXED(), subject=self.NODES)
        pod = came("exchange", DENIED(), subject=self.POD)
        findings = self.named(nodes, pod, causes=(role, other))
        assert {item.key for item in findings} == {("role", "pod"), ("other", "nodes")}

    def test_what_is_seen_of_neither_speaks_for_both(self) -> None:
        """The node's own trouble lies under both."""
        role = replace(self.ROLE, requires=(("denied", "waits"), ("ready",)))
        node = came("node", READY(), subject=NODE_1)
        nodes = came("kubelet", WAITS(pod="a"), subject=self.NODES)
        pod = came("exchange", DENIED(), subject=self.POD)
        assert {item.behalf for item in self.named(node, nodes, pod, causes=(role,))} == {"nodes", "pod"}
