"""How fast logs are redacted, and in how much memory: a log that is made while it is read, and never held whole."""

import os
import random
import resource
import time
from collections.abc import Iterator

from acrcheck.bundle.redact import Redactor

Row = tuple[str, str, str, str, str, str, str]
SIZE = int(os.environ.get("REDACT_BYTES", "1000000000"))
SPEED_GOAL, MEMORY_GOAL = 20.0, 64.0
"""Megabytes a second of one core, and mebibytes that the process may grow by."""
LINES = (
    '{{"time":"{at}","level":"INFO","msg":"request","fields":{{"host":"coder.example.com","path":"/api/v2/users",'
    '"remote_addr":"10.244.1.7","status_code":200,"took":"{n}us","request_id":"{hex:032x}"}}}}\n'
    'I1102 09:00:07.{n:06} 1021 kubelet.go:2407] "SyncLoop (PLEG): event for pod" pod="coder/coderd-7d4f5c9b8d-{n:x}" '
    'event={{"ID":"{hex:032x}","Type":"ContainerStarted","Data":"{hex:064x}"}}\n'
    'time="{at}" level=info msg="request token for pod coder/coderd-{n:x}, '
    'client_id=7a4f0c1e-52d3-4b68-9c3f-1d7be02a5f34, resource https://management.azure.com/" '
    "req.path=/metadata/identity/oauth2/token req.remote=10.244.1.7\n"
    '{at} containerd[812]: level=info msg="PullImage \\"labreg.azurecr.io/coder/envbox@sha256:{hex:064x}\\" returns '
    'image reference \\"sha256:{hex:064x}\\""\n'
    "{at} failed to authorize: failed to fetch oauth token: unexpected status from POST request to "
    'https://labreg.azurecr.io/oauth2/token: 401 Unauthorized: {{"errors":[{{"code":"UNAUTHORIZED"}}]}}\n'
).splitlines()
SECRET = "{at} retry with https://coder:pw-{hex:x}@db.example:5432/coder and password=Aa-{hex:x}"


def rows() -> list[Row]:
    """Redact a log of a gigabyte, of which one line in five hundred holds secrets."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    redactor = Redactor()
    given = sum(len(piece) for piece in redactor.stream(_log(SIZE), "log"))
    speed = SIZE / (time.process_time() - began) / 1e6
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    found = sum(sum(kinds.values()) for kinds in redactor.counts.values())
    if not given or not found:
        raise RuntimeError("nothing was redacted")
    what = f"redact: {SIZE / 1e6:.0f} MB of logs, {found} secrets"
    return [
        (
            what,
            f"{speed:.0f} MB/s",
            "",
            "",
            "",
            f"≥ {SPEED_GOAL:.0f} MB/s",
            "missed" if speed < SPEED_GOAL else "",
        ),
        (
            "redact: memory for it",
            f"{grown:.0f} MiB",
            "",
            "",
            "",
            f"≤ {MEMORY_GOAL:.0f} MiB",
            "missed" if grown > MEMORY_GOAL else "",
        ),
    ]


def _log(size: int) -> Iterator[bytes]:
    """Make a log in pieces: a few thousand lines, of which each piece is another selection."""
    draw = random.Random(4)  # noqa: S311 - a log that is the same each time, not a secret
    known = [_line(draw, number).encode() for number in range(20_000)]
    made = 0
    while made < size:
        piece = b"".join(draw.choices(known, k=400))[: size - made]
        made += len(piece)
        yield piece


def _line(draw: random.Random, number: int) -> str:
    form = SECRET if number % 500 == 0 else LINES[number % len(LINES)]
    moment = f"2026-11-02T09:{draw.randrange(60):02}:{draw.randrange(60):02}Z"
    return form.format(at=moment, n=draw.randrange(999_999), hex=draw.getrandbits(120)) + "\n"
