"""python3 inside a container: a program and its question come on standard input."""

import base64
import json
from functools import cache
from importlib import resources
from typing import Any

from acrcheck.wire.certificate import describe
from acrcheck.wire.door import (
    Connect,
    Connected,
    Failure,
    Handshake,
    Request,
    Resolve,
    Resolved,
    Shaken,
    Trouble,
)
from acrcheck.wire.raw import HEADERS, MARGIN, Raw, Run, authorization, cut_body, form_body, no_tool


class Python:
    """The four verbs, by python3's standard library."""

    name = "python3"

    def resolve(self, run: Run, question: Resolve) -> Resolved | Failure:
        """Resolve a name."""
        asked = {"verb": "resolve", "host": question.host, "seconds": question.seconds}
        told = _ask(run, asked)
        if isinstance(told, Failure):
            return told
        return Resolved(tuple(dict.fromkeys(told["addresses"])), tuple(told["chain"]))

    def connect(self, run: Run, question: Connect) -> Connected | Failure:
        """Open a connection and close it."""
        told = _ask(run, {"verb": "connect", **_place(question)})
        return told if isinstance(told, Failure) else Connected(told["address"])

    def handshake(self, run: Run, question: Handshake) -> Shaken | Failure:
        """Look at the certificate served."""
        told = _ask(run, {"verb": "handshake", **_place(question)})
        if isinstance(told, Failure):
            return told
        return describe(base64.b64decode(told["certificate"]), told["problem"])

    def request(self, run: Run, opened: Request) -> Raw | Failure:
        """Send one request."""
        body = form_body(opened)
        asked = {
            "verb": "request",
            "method": opened.method.upper(),
            "url": opened.url,
            "headers": [*opened.headers, *authorization(opened)],
            "body": None if body is None else body.decode(),
            "seconds": opened.seconds,
            "limit": opened.limit,
        }
        told = _ask(run, asked, opened.limit * 2 + HEADERS)
        if isinstance(told, Failure):
            return told
        headers = tuple((str(name), str(value)) for name, value in told["headers"])
        return cut_body(Raw(told["status"], headers, base64.b64decode(told["body"])), opened.limit)


def _place(question: Connect | Handshake) -> dict[str, Any]:
    return {"host": question.host, "port": question.port, "seconds": question.seconds}


@cache
def _program() -> str:
    return resources.files("acrcheck.wire").joinpath("inside.py").read_text(encoding="utf-8")


def _ask(run: Run, question: dict[str, Any], limit: int = HEADERS) -> dict[str, Any] | Failure:
    script = f"{_program()}\nmain(json.loads({json.dumps(json.dumps(question))}))\n"
    done = run(("python3", "-I", "-"), script.encode(), question["seconds"] + MARGIN, limit)
    if isinstance(done, Failure):
        return done
    if done.missing:
        return no_tool("python3")
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return Failure(Trouble.ERROR, said[-1] if said else "python3 said nothing", "python3")
    if "trouble" in told:
        return Failure(Trouble(told["trouble"]), str(told["detail"]), "python3")
    return told
