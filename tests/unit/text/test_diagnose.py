"""From a text to ranked causes."""

import codecs
import json
import textwrap
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from acrcheck.model import Context, Signature
from tests.unit.text.catalogue import CAUSES, LAYERS, TEXTS, UNAUTHORIZED, cause, first, ids, named

PREFIXES = (
    "",
    "E0712 19:14:01.807908       1 server.go:365] ",
    "2026-11-02T09:59:00Z stderr F ",
    "  Warning  Failed     3s (x4 over 2m)  kubelet            ",
    "> ",
    'time="2026-11-02T09:59:00Z" level=error msg=',
    "Nov  2 09:59:00 aks-node kubelet[1021]: ",
)
QUOTINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "in JSON": json.dumps,
    "in JSON in JSON": lambda text: json.dumps({"log": json.dumps(text)}),
    "of another quote": lambda text: text.replace('"', "'"),
    "of curly quotes": lambda text: text.replace('"', "\N{LEFT DOUBLE QUOTATION MARK}"),
    "in HTML": lambda text: text.replace('"', "&quot;").replace("'", "&#39;"),
    "doubled, as in CSV": lambda text: text.replace('"', '""'),
    "in capitals": str.upper,
    "in colour": lambda text: "\x1b[31m" + text.replace(": ", ":\x1b[0m ") + "\x1b[0m",
}
UNLIKE = 0.5
"""The most that a text may count in which no signature stands as it is."""
each_text = pytest.mark.parametrize(("name", "text"), TEXTS.items(), ids=list(TEXTS))


@each_text
def test_names_what_the_text_decides(name: str, text: str) -> None:
    """The cause is first, with a confidence of more than 0.9 and the line that says it."""
    found = named(f"something before\n\n{text}\n").findings

    assert found[0].cause.id == name
    assert found[0].confidence > 0.9
    assert found[0].observations[0].values["line"] == "3"


@given(
    name=st.sampled_from(sorted(TEXTS)),
    prefix=st.sampled_from(PREFIXES),
    quoting=st.sampled_from(sorted(QUOTINGS)),
    width=st.one_of(st.none(), st.integers(45, 160)),
    cut=st.booleans(),
    host=st.from_regex(r"[a-z][a-z0-9]{4,20}", fullmatch=True),
    before=st.sampled_from(["", "\ufeff", "\n\n", "$ kubectl get events\n"]),
)
def test_the_way_it_is_pasted_changes_nothing(
    name: str, prefix: str, quoting: str, width: int | None, cut: bool, host: str, before: str
) -> None:
    """Names, prefixes, quotes, escapes, colour and wrapping, in a word or between words, are of no account."""
    assume(quoting != "in colour" or not cut)  # a terminal never cuts what it obeys
    text = prefix + QUOTINGS[quoting](TEXTS[name].replace("demo", host).replace("shop", host))
    if width and cut:
        text = "\n".join(text[at : at + width] for at in range(0, len(text), width))
    elif width:
        text = "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))

    assert first(before + text + "\n") == name


@given(st.binary(max_size=400))
def test_any_bytes_can_be_looked_at(data: bytes) -> None:
    """What is no text names nothing, and breaks nothing."""
    found = named(data)

    assert found.findings or found.said


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF8, "utf-8"),
    ],
)
def test_reads_what_other_systems_write(mark: bytes, encoding: str) -> None:
    """UTF-16 with a mark or without, as PowerShell redirects it, and UTF-8 with a mark."""
    assert first(mark + f"{TEXTS['denied']}\r\n".encode(encoding)) == "denied"


def test_invalid_bytes_do_not_hide_the_rest() -> None:
    """A cut character or a stray byte is no obstacle."""
    assert first(b"\xff\xfe\xfd \x80\n" + TEXTS["denied"].encode() + b"\n\xc3") == "denied"


class TestRanking:
    """What counts for more."""

    def test_in_an_aggregate_the_first_error_is_the_truth(self) -> None:
        """The kubelet's second try without a credential is an echo; in the other order it is not."""
        there, back = "rpc error: code = NotFound desc = x", "rpc error: code = Unknown desc = y"
        missing, anonymous = 'manifest tagged by "v1" is not found', "failed to fetch anonymous token: 401"

        assert first(f"[{there} {missing}, {back} {anonymous}]") == "tag-gone"
        assert first(f"[{there} {anonymous}, {back} {missing}]") == "no-login"

    def test_what_does_not_decide_is_shared_and_says_what_would(self) -> None:
        """Nobody is told 0.9 by a bare 401; the command that tells the neighbours apart is there."""
        found = named(f"Error response from daemon: Get https://demo.azurecr.io/v2/: {UNAUTHORIZED}").findings

        assert {item.cause.id for item in found} == {"no-role", "tag-gone", "no-login"}
        assert all(item.confidence < 0.9 for item in found)
        assert sum(item.confidence for item in found) <= 1
        assert ("the roles of the identity that pulls", "az role assignment list") in found[0].to_decide

    def test_a_layer_that_is_proven_good_is_no_suspect(self) -> None:
        """A registry that answers 401 was resolved."""
        found = named(f"no such host\n{UNAUTHORIZED}").findings

        assert "dns" not in {item.cause.id for item in found}
        assert first("no such host") == "dns"

    def test_a_text_may_speak_against_a_cause(self) -> None:
        """It is left out, however it was spoken for."""
        causes = (
            cause("one", "role", Signature("it is broken", "az")),
            cause(
                "two",
                "role",
                Signature("it is broken", "az"),
                Signature("all is new", "az", against=("one",)),
            ),
        )

        assert {item.cause.id for item in named("it is broken", causes).findings} == {"one", "two"}
        assert [item.cause.id for item in named("it is broken, all is new", causes).findings] == ["two"]

    def test_the_more_frequent_cause_goes_first(self) -> None:
        """Where a text means several, its documents may say which is the usual one."""
        causes = (
            cause("rare", "role", Signature("it is broken", "az")),
            cause("usual", "role", Signature("it is broken", "az", weight=3)),
        )
        found = named("it is broken", causes).findings

        assert [(item.cause.id, item.confidence) for item in found] == [("usual", 0.6), ("rare", 0.2)]

    def test_two_failures_of_two_records_are_both_sure(self) -> None:
        """A log may have both; neither takes from the other."""
        text = "\n".join(f"E0712 19:14:01.8 1 a.go:1] {TEXTS[name]}" for name in ("denied", "expired"))
        found = named(text).findings

        assert {item.cause.id for item in found[:2]} == {"denied", "expired"}
        assert all(item.confidence > 0.9 for item in found[:2])

    def test_a_number_is_not_a_part_of_a_longer_one(self) -> None:
        """AADSTS700021 is not AADSTS7000215, nor the other way round."""
        assert first("AADSTS70002223: error") != "expired"
        assert first("AADSTS7000215: error") == "wrong-secret"

    def test_nothing_is_said_across_records(self) -> None:
        """The `…` of a signature does not reach into the next line of a log."""
        lines = ("I0712 19:14:01.8 1 a.go:1] lookup demo", "I0712 19:14:02.8 1 a.go:1] connection refused")

        assert first("\n".join(lines)) != "broken-resolver"
        assert first(" ".join(lines)) == "broken-resolver"

    @given(st.permutations(CAUSES))
    def test_the_order_of_documents_changes_nothing(self, causes: list[object]) -> None:
        """Equal evidence is ordered by layer and id."""
        text = "\n".join([*TEXTS.values(), UNAUTHORIZED])
        given_order = [(item.cause.id, item.confidence) for item in named(text).findings]
        other = named(text, tuple(causes)).findings  # type: ignore[arg-type]  # permutations lose the type

        assert [(item.cause.id, item.confidence) for item in other] == given_order
        assert all(item.cause.layer in LAYERS for item in other)


class TestNothing:
    """Texts that name no cause say why."""

    @pytest.mark.parametrize("text", ["", " \n\n\t\n", "\ufeff"])
    def test_an_empty_text(self, text: str) -> None:
        """It is said to be none."""
        assert first(text) == "there is no text to look at"

    def test_an_irrelevant_text(self) -> None:
        """A failure of something else is not guessed at."""
        assert (
            first("Segmentation fault: the disk failed")
            == "nothing here is an error text that acrcheck knows"
        )

    def test_lines_of_a_program_that_is_well(self) -> None:
        """Known information is no failure; of what is not known nothing is said, and an error beside it counts."""
        matched = (
            "I1106 14:32:47.654521 1 standard.go:72] no clientID or resourceID in request. a/b has been matched"
            " with azure identity c/d"
        )

        assert first(matched) == "nothing here is a failure"
        unknown = "nothing here is an error text that acrcheck knows"
        assert first("I1106 14:32:47.6 1 other.go:192] all is well") == unknown
        assert first(f"{matched}\nE1106 14:32:48.6 1 a.go:1] the disk failed") == unknown
        assert first(f"AADSTS7000222 {matched}") == "expired"
        assert first(f"{matched}\nE1106 14:32:48.6 1 a.go:1] {TEXTS['denied']}") == "denied"


class TestContext:
    """What stands around a signature."""

    HUB = Context("hub", ("hub.example",), unless=("own.example",))
    SAID = Context("said", ("it worked before",), wide=True)
    CAUSES = (
        replace(
            cause("limit", "registry", Signature("429 Too Many Requests", "registry")), contexts=((HUB, 3.0),)
        ),
        replace(
            cause("outage", "registry", Signature("429 Too Many Requests", "registry")),
            contexts=((SAID, 3.0),),
        ),
        replace(
            cause("other", "registry", Signature("429 Too Many Requests", "registry", unless=("hub",))),
            contexts=((HUB, 1.0),),
        ),
    )

    @pytest.mark.parametrize(
        ("text", "causes"),
        [
            ("429 Too Many Requests", ["limit", "other", "outage"]),
            ("GET hub.example: 429 Too Many Requests", ["limit", "outage"]),
            ("GET hub.example by own.example: 429 Too Many Requests", ["limit", "other", "outage"]),
            (
                "E0712 19:14:01.8 1 a.go:1] hub.example\nE0712 19:14:01.8 1 a.go:1] 429 Too Many Requests",
                None,
            ),
            (
                "It worked before\nE0712 19:14:01.8 1 a.go:1] 429 Too Many Requests",
                ["outage", "limit", "other"],
            ),
        ],
    )
    def test_it_weighs_in_its_record_or_everywhere(self, text: str, causes: list[str] | None) -> None:
        """A host counts where it is named, a person's words for all; a condition of a signature must hold."""
        findings = named(text, self.CAUSES).findings

        assert [item.cause.id for item in findings] == (causes or ["limit", "other", "outage"])
        assert all(item.confidence < 0.9 for item in findings)

    def test_a_gap_may_ask_for_a_class_of_word(self) -> None:
        """A private address is told from a public one, a GUID from a name."""
        causes = (
            cause("inside", "network", Signature("dial tcp …<private-address>:443: i/o timeout", "tls")),
            cause("outside", "network", Signature("dial tcp …<public-address>:443: i/o timeout", "tls")),
            cause("id", "identity", Signature("identifier '…<guid>' was not found", "entra")),
        )

        assert named("dial tcp 10.1.2.3:443: i/o timeout", causes).findings[0].cause.id == "inside"
        assert named("dial tcp 172.31.2.3:443: i/o timeout", causes).findings[0].cause.id == "inside"
        assert named("dial tcp 172.32.2.3:443: i/o timeout", causes).findings[0].cause.id == "outside"
        guid = "identifier '9AF645A8-fef3-3e6d-3408-5cc69e0937d4' was not found"
        assert named(guid, causes).findings[0].confidence > UNLIKE
        assert named("identifier 'msi' was not found", causes).findings == ()

    def test_what_is_good_in_one_place_may_fail_in_another(self) -> None:
        """A registry that answers says nothing of a name that another record asks for, unless it is the same name."""
        record = "E0712 19:14:01.8 1 a.go:1] "
        good = f"{record}GET https://one.azurecr.io/v2/: {UNAUTHORIZED}\n"

        assert "dns" in ids(f"{good}{record}lookup two.azurecr.io: no such host")
        assert "dns" not in ids(f"{good}{record}lookup one.azurecr.io: no such host")


class TestLikeness:
    """Texts in which no signature stands as it is."""

    def test_another_wording_is_recognised_and_never_sure(self) -> None:
        """Words left out, put in or in another order lead to the same cause, with less confidence."""
        found = named(
            "pod shop/web: assigned identities in CREATED state, getting them failed after 5 attempts"
        ).findings

        assert found[0].cause.id == "identity-pending"
        assert found[0].confidence <= UNLIKE
        assert "it is like what nmi says" in found[0].observations[0].values["why"]

    def test_it_counts_for_nothing_beside_a_signature(self) -> None:
        """Where a text is known, what only resembles it is no second cause."""
        text = (
            f"{TEXTS['denied']}\nassigned identities in CREATED state, getting them failed after 5 attempts"
        )

        assert ids(text) == ["denied"]

    @pytest.mark.parametrize(
        "text",
        [
            "the pod is in CREATED state",
            "FATAL: password authentication failed for user postgres",
            "Error: Cannot find module 'express'",
        ],
    )
    def test_a_few_words_in_common_are_not_enough(self, text: str) -> None:
        """What every program says is no likeness."""
        assert ids(text) == []
