"""Texts as people and collectors hand them on."""

import html
import json
import textwrap
from collections.abc import Callable
from typing import ClassVar

import pytest

from tests.unit.text.catalogue import TEXTS, first, named

STAMP = "2026-11-02T09:59:00.1234567Z "


def cut(text: str, width: int, between: str = "\n") -> str:
    """Wrap a text as a terminal does, words or not."""
    return between.join(text[at : at + width] for at in range(0, len(text), width))


class TestForms:
    """Ways in which people and collectors hand a text on."""

    FORMS: ClassVar[dict[str, Callable[[str], str]]] = {
        "Windows' line ends": lambda text: f"before\r\n{text.replace(': ', ':' + chr(13) + chr(10), 1)}\r\n",
        "a time before each line of one error": lambda text: "\n".join(
            STAMP + part for part in ("it failed:", f"    {text}", "    at main.go:3")
        ),
        "a container runtime's parts": lambda text: "\n".join(
            f"2026-11-02T09:59:00.1Z stderr {mark} {part}"
            for mark, part in (("P", text[:17]), ("P", text[17:34]), ("F", text[34:]))
        ),
        "zap": lambda text: json.dumps({"level": "error", "ts": 1.5, "msg": "it failed", "error": text}),
        "zap, on several lines": lambda text: json.dumps(
            {"level": "error", "ts": 1.5, "msg": f"a\n\t{text}"}
        ),
        "klog": lambda text: f'E1102 09:59:00.1    1021 a.go:9] "Error syncing pod" err={json.dumps(text)}',
        "containerd": lambda text: (
            f'time="2026-11-02T09:59:00Z" level=error msg="x" error={json.dumps(text)}'
        ),
        "containerd in a journal as JSON": lambda text: json.dumps(
            {"MESSAGE": f"x error={json.dumps(text)}"}
        ),
        "kubectl describe, cut at 80": lambda text: cut(
            f"  Warning  Failed     3s (x4 over 2m)  kubelet            {text}", 80
        ),
        "a box": lambda text: "\n".join(f"│ {text[at : at + 60]:60} │" for at in range(0, len(text), 60)),
        "colour spelled out": lambda text: f"^[[31m{text.replace(' ', ' ^[[0m', 1)}^[[0m",
        "HTML": lambda text: f"<p>{html.escape(text)}</p>",
        "HTML, escaped twice": lambda text: html.escape(html.escape(text)),
        "HTML with its spaces and marks": lambda text: "<span class='e'>{}</span>".format(
            html.escape(text).replace(" ", "&nbsp;").replace("/", "&#x2F;")
        ),
        "Markdown's quotation": lambda text: "\n".join(f"> > {part}" for part in textwrap.wrap(text, 60)),
        "Markdown's emphasis": lambda text: text.replace("AADSTS7000222", "**AADSTS7000222**").replace(
            "is not", "is **not**"
        ),
        "smart quotes": lambda text: text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"),
        "guillemets": lambda text: text.replace('"', "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}"),
        "wide punctuation": lambda text: text.replace(": ", "\N{FULLWIDTH COLON}"),
        "places for a break": lambda text: text.replace("/", "/\N{ZERO WIDTH SPACE}").replace(
            "tion", "\N{SOFT HYPHEN}tion"
        ),
        "a workflow's command": lambda text: f"##[error]it failed%0A{text}",
        "wrapped in a word, with an indent": lambda text: cut(text, 60, "\n    "),
    }

    @pytest.mark.parametrize(("name", "text"), TEXTS.items(), ids=list(TEXTS))
    @pytest.mark.parametrize("form", FORMS)
    def test_a_form_changes_nothing(self, name: str, text: str, form: str) -> None:
        """The cause is the same, and as sure."""
        found = named(self.FORMS[form](text)).findings

        assert [found[0].cause.id, found[0].confidence] == [name, named(text).findings[0].confidence]

    @pytest.mark.parametrize(
        ("before", "after", "one"),
        [
            (f"{STAMP}lookup demo:", f"{STAMP}connection refused", True),
            (f'{STAMP}"lookup demo', f'{STAMP}connection refused"', True),
            (f"{STAMP}lookup demo", f"{STAMP}\tconnection refused", True),
            (f"> {STAMP}lookup demo:", f"> {STAMP}connection refused", True),
            (
                "Nov  2 09:59:00 node app[1]: lookup demo,",
                "Nov  2 09:59:00 node app[1]: connection refused",
                True,
            ),
            (f"{STAMP}lookup demo", f"{STAMP}connection refused", False),
            (f"{STAMP}lookup demo:", f"{STAMP}ERROR connection refused", False),
            (f"{STAMP}lookup demo:", "2026-11-02T09:59:01Z connection refused", False),
            (STAMP, f"{STAMP}connection refused", False),
            (
                "I0712 19:14:01.8 1 a.go:1] lookup demo:",
                "I0712 19:14:01.8 1 a.go:1] connection refused",
                False,
            ),
        ],
    )
    @pytest.mark.parametrize("size", [1, 2000])
    def test_a_stamped_line_goes_on_only_where_it_says_so(
        self, before: str, after: str, one: bool, size: int
    ) -> None:
        """Left open or indented, in the same second: the same record, in a small text as in a large one."""
        noise = "2026-11-02T09:58:00Z all is well with pod number one\n" * size

        assert (first(f"{noise}{before}\n{after}\n{noise}") == "broken-resolver") is one
