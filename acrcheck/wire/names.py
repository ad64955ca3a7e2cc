"""Resolving a name with getent or nslookup inside a container."""

import ipaddress
import re
from collections.abc import Iterable

from acrcheck.cluster.hands import Executed
from acrcheck.wire.door import Failure, Resolve, Resolved, Trouble
from acrcheck.wire.raw import MARGIN, Run, no_tool

_LIMIT = 65_536
_NOT_FOUND = 2
"""getent's exit code for a key that its database does not have (its manual page)."""


class Getent:
    """`getent ahosts`: by the container's own nsswitch rules, like its applications."""

    name = "getent"

    def resolve(self, run: Run, question: Resolve) -> Resolved | Failure:
        """Resolve a name."""
        done = run(("getent", "ahosts", question.host), b"", question.seconds + MARGIN, _LIMIT)
        if isinstance(done, Failure):
            return done
        addresses = _addresses(line.split()[0] for line in _text(done).splitlines() if line.split())
        if done.code == 0 and addresses:
            return Resolved(addresses)
        if done.code == _NOT_FOUND:
            return Failure(Trouble.UNRESOLVED, f"{question.host} does not resolve", self.name)
        return no_tool(self.name)


class Nslookup:
    """`nslookup`: asks the container's name servers, and shows the chain of names."""

    name = "nslookup"

    def resolve(self, run: Run, question: Resolve) -> Resolved | Failure:
        """Resolve a name. Understands the output of BIND's program and of BusyBox'."""
        done = run(("nslookup", question.host), b"", question.seconds + MARGIN, _LIMIT)
        if isinstance(done, Failure):
            return done
        if done.missing:
            return no_tool(self.name)
        text = _text(done)
        chain = tuple(
            found.rstrip(".") for found in re.findall(r"^\S+\s+canonical name = (\S+)", text, re.MULTILINE)
        )
        # What stands before the first "Name:" is the name server's own address.
        _, _, answers = text.partition("Name:")
        found = re.findall(r"^Address(?: \d+)?:\s*(\S+)", answers, re.MULTILINE)
        if addresses := _addresses(found):
            return Resolved(addresses, tuple(dict.fromkeys(chain)))
        told = f"{text}\n{done.stderr.decode(errors='replace')}".lower()
        if "timed out" in told or "no servers" in told:
            return Failure(Trouble.UNRESOLVED, "the name servers do not answer", self.name)
        return Failure(Trouble.UNRESOLVED, f"{question.host} does not resolve", self.name)


def _addresses(words: Iterable[str]) -> tuple[str, ...]:
    """Keep the words that are addresses, each once, in their order."""
    found = []
    for word in words:
        try:
            found.append(str(ipaddress.ip_address(word)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))


def _text(done: Executed) -> str:
    return done.stdout.decode(errors="replace")
