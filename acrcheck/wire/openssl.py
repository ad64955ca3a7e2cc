"""Looking at a certificate with `openssl s_client` inside a container."""

import base64
import binascii
import re

from acrcheck.wire.certificate import describe
from acrcheck.wire.curl import refused_or_unreachable
from acrcheck.wire.door import Failure, Handshake, Shaken, Trouble
from acrcheck.wire.raw import MARGIN, Run, no_tool

_LIMIT = 262_144


class OpenSsl:
    """One verb: `handshake`."""

    name = "openssl"

    def handshake(self, run: Run, question: Handshake) -> Shaken | Failure:
        """Look at the certificate served; `Q` on its input ends the program once the handshake is over."""
        place = f"[{question.host}]" if ":" in question.host else question.host
        check = "-verify_ip" if re.fullmatch(r"[\d.]+|.*:.*", question.host) else "-verify_hostname"
        argv = ["openssl", "s_client", "-connect", f"{place}:{question.port}", check, question.host]
        if check == "-verify_hostname":
            argv += ["-servername", question.host]
        done = run(argv, b"Q\n", question.seconds + MARGIN, _LIMIT)
        if isinstance(done, Failure):
            return done
        if done.missing:
            return no_tool(self.name)
        text = done.stdout.decode(errors="replace")
        said = done.stderr.decode(errors="replace")
        found = re.search(r"-----BEGIN CERTIFICATE-----\n(.+?)-----END CERTIFICATE-----", text, re.DOTALL)
        if not found:
            return _no_certificate(f"{said}\n{text}")
        verdict = re.search(
            r"^\s*Verif(?:y return code|ication error): (?:(\d+) \((.*)\)|(.+))$", text, re.MULTILINE
        )
        trusted = verdict is not None and verdict[1] == "0"
        problem = "" if trusted or verdict is None else (verdict[2] or verdict[3] or "")
        try:
            return describe(base64.b64decode(found[1]), problem)
        except (ValueError, binascii.Error):
            return Failure(Trouble.TLS, "openssl showed a certificate that is none", self.name)


def _no_certificate(text: str) -> Failure:
    told = text.lower()
    lines = [line.strip() for line in text.splitlines() if "error" in line.lower() or "errno" in line.lower()]
    detail = lines[0] if lines else "openssl showed no certificate"
    if "name or service not known" in told or "name does not resolve" in told or "temporary failure" in told:
        return Failure(Trouble.UNRESOLVED, detail, "openssl")
    trouble = refused_or_unreachable(told)
    return Failure(Trouble.TLS if trouble is Trouble.ERROR else trouble, detail, "openssl")
