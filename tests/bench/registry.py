"""What a probe of images costs against the bare requests, and a download against curl."""

import hashlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from acrcheck.bundle.tape import Tape
from acrcheck.catalogue import builtin_dir, load_causes, load_checks
from acrcheck.clock import SystemClock
from acrcheck.cluster.pullsecret import credential
from acrcheck.cluster.recorded import recorded as recorded_cluster
from acrcheck.lab.clock import LabClock
from acrcheck.lab.cluster import LabCluster
from acrcheck.lab.scenario import OperatorClock
from acrcheck.lab.wire import LabWire
from acrcheck.run import Doors, Options, run
from acrcheck.target import Target
from acrcheck.wire.door import Wire
from acrcheck.wire.local import LocalWire
from acrcheck.wire.recorded import recorded
from acrcheck.wire.vault import Vault
from tests.bench.row import Row
from tests.scenarios.many import world
from tests.unit.loopback import Asked, Authority, Leaf, Served, answer, serve

ROUNDS = 5
LATENCY = 0.03
"""Seconds that the simulated registry takes for an answer."""
PROBE_GOAL, MANY_GOAL, FULL_GOAL = 1.15, 1.3, 1.25
WORKERS = 8
BETWEEN = 0.05
"""Seconds between two looks at a process."""
IMAGES, REPOSITORIES = 200, 50
LAYER, LAYERS = 50_000_000, 4
CONFIG = b'{"architecture":"amd64","os":"linux"}'
KIND = "application/vnd.oci.image."
USER, PASSWORD = "puller", "secret"


class Registry:
    """A registry with one image, which asks for a name and a password."""

    def __init__(self, layers: list[bytes], latency: float) -> None:
        self.latency = latency
        self.blobs = {_digest(blob): blob for blob in (CONFIG, *layers)}
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{KIND}manifest.v1+json",
                "config": _described(f"{KIND}config.v1+json", CONFIG),
                "layers": [_described(f"{KIND}layer.v1.tar", blob) for blob in layers],
            }
        ).encode()

    def __call__(self, asked: Asked) -> Iterable[bytes]:
        """Answer one request."""
        time.sleep(self.latency)
        path = asked.target.partition("?")[0]
        if path == "/token":
            return answer(200, b'{"token": "opaque-token-of-the-registry"}', keep=True)
        if not asked.header("Authorization"):
            realm = f'WWW-Authenticate: Bearer realm="https://{asked.header("Host")}/token",service="x"'
            return answer(401, b"{}", realm, keep=True)
        blob = self.blobs.get(path.rpartition("/")[2])
        if blob is not None:
            return self._part(blob, asked.header("Range"))
        length = f"Content-Length: {len(self.manifest)}"
        kinds = f"Content-Type: {KIND}manifest.v1+json", f"Docker-Content-Digest: {_digest(self.manifest)}"
        if asked.method == "HEAD":
            return ["\r\n".join(["HTTP/1.1 200 OK", length, *kinds, "", ""]).encode()]
        return answer(200, self.manifest, *kinds, keep=True)

    def _part(self, blob: bytes, span: str) -> Iterable[bytes]:
        asked = re.fullmatch(r"bytes=0-(\d+)", span)
        if asked:
            return answer(206, blob[: int(asked[1]) + 1], keep=True)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(blob)}\r\n\r\n".encode()
        return [head, *(blob[at : at + 1_000_000] for at in range(0, len(blob), 1_000_000))]


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _described(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(content), "size": len(content)}


def rows() -> tuple[list[Row], list[str]]:
    """Measure, each thing and its base in turn; and say what cannot be a row."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        leaf = authority.leaf("127.0.0.1")
        full, said = _full(authority, leaf)
        return [_probe(authority, leaf), _many(), full], said


# -- one image --------------------------------------------------------------------------------------


def _probe(authority: Authority, leaf: Leaf) -> Row:
    """All checks of one image, against the same requests over one connection, bare."""
    image = Registry([b"x" * 100_000], LATENCY)
    with serve(image, leaf, requests=100) as served:
        context = ssl.create_default_context(cafile=authority.certificate)
        ran, bare = zip(
            *((_checked(served, context), _bare(served, context, image)) for _ in range(ROUNDS)), strict=True
        )
    return Row("acrcheck creds, one image", min(ran), "its requests, bare", min(bare), PROBE_GOAL)


def _checked(served: Served, context: ssl.SSLContext) -> float:
    vault, clock = Vault(), SystemClock()
    target = Target(
        image=f"127.0.0.1:{served.port}/team/app:1", credential=credential(USER, PASSWORD, vault.keep)
    )
    checks = load_checks(builtin_dir(), "CREDENTIAL_ORDER")
    with closing(LocalWire(vault, clock, context=context)) as wire:
        began = time.monotonic()
        report, _ = run(target, Doors(recorded_cluster(Tape()), wire), clock, checks, (), Options())
        took = time.monotonic() - began
    if report.exit_code:
        raise RuntimeError([result for result in report.results if result.observations])
    return took


def _bare(served: Served, context: ssl.SSLContext, image: Registry) -> float:
    """Resolve, connect, shake hands, and send what a pull sends: challenge, token, manifest, config, layer."""
    config, layer = image.blobs
    began = time.monotonic()
    socket.getaddrinfo("127.0.0.1", served.port, type=socket.SOCK_STREAM)
    with closing(http.client.HTTPSConnection("127.0.0.1", served.port, context=context)) as connection:

        def ask(method: str, path: str, **headers: str) -> None:
            connection.request(method, path, headers=headers)
            connection.getresponse().read()

        ask("GET", "/v2/")
        ask("GET", "/token?service=x", Authorization="Basic x")
        ask("HEAD", "/v2/team/app/manifests/1", Authorization="Bearer x")
        ask("GET", f"/v2/team/app/manifests/{_digest(image.manifest)}", Authorization="Bearer x")
        ask("GET", f"/v2/team/app/blobs/{config}", Authorization="Bearer x")
        ask("GET", f"/v2/team/app/blobs/{layer}", Authorization="Bearer x", Range="bytes=0-65535")
    return time.monotonic() - began


# -- many images ------------------------------------------------------------------------------------


class Slow:
    """A wire that takes its time for every answer."""

    def __init__(self, inner: Wire) -> None:
        self._inner = inner
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._inner, name)

        def ask(*given: Any) -> Any:
            self.asked += 1
            time.sleep(LATENCY)
            return verb(*given)

        return ask


def _many() -> Row:
    """All checks of the registry for two hundred images of twenty pods, against as many answers, eight at once."""
    made, vault = world(IMAGES, REPOSITORIES), Vault()
    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    doors = Doors(LabCluster(made, vault), LabWire(made, vault))
    first, tape = run(made.target, doors, OperatorClock(made), checks, causes, Options())
    slow = Slow(recorded(Tape.loads(tape.dumps())))
    again = Doors(recorded_cluster(Tape.loads(tape.dumps())), cast("Wire", slow))
    began = time.monotonic()
    report, _ = run(made.target, again, LabClock(first.started), checks, causes, Options(timeout=600))
    took = time.monotonic() - began
    if report.exit_code:
        raise RuntimeError(report.findings)
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        list(pool.map(lambda _: time.sleep(LATENCY), range(slow.asked)))
    return Row(
        f"run, {IMAGES} images, 20 pods",
        took,
        f"{slow.asked} answers, 8 at once",
        time.monotonic() - began,
        MANY_GOAL,
    )


# -- a download -------------------------------------------------------------------------------------


def _full(authority: Authority, leaf: Leaf) -> tuple[Row, list[str]]:
    """Two hundred megabytes with their digests, against curl and sha256sum; and the memory that it takes."""
    environ = {**os.environ, "SSL_CERT_FILE": str(authority.certificate), "ACRCHECK_PASSWORD": PASSWORD}
    small, large = (Registry(list(_layers(size)), 0) for size in (LAYER // 10, LAYER))
    with serve(small, leaf, requests=100) as served:
        _, few = _acrcheck(served, environ)
    with serve(large, leaf, requests=100) as served:
        ran, bare = zip(
            *((_acrcheck(served, environ), _curl(served, large, authority)) for _ in range(3)), strict=True
        )
    seconds, memory = min(took for took, _ in ran), max(held for _, held in ran)
    size = LAYERS * LAYER // 1_000_000
    said = [f"creds --full holds {few} MB for {size // 10} MB of layers, {memory} MB for {size} MB"]
    return Row(f"creds --full, {size} MB", seconds, "curl | sha256sum", min(bare), FULL_GOAL), said


def _layers(size: int) -> Iterator[bytes]:
    for number in range(LAYERS):
        yield os.urandom(1_000) * (size // 1_000) + bytes([number])


def _acrcheck(served: Served, environ: dict[str, str]) -> tuple[float, int]:
    """Give the seconds that the check of the layers took, and the most memory of the command in megabytes."""
    where = f"127.0.0.1:{served.port}/team/app:1"
    acrcheck = str(Path(sys.executable).parent / "acrcheck")
    words = [acrcheck, "creds", where, "--username", USER, "--full", "-o", "json", "--timeout", "5m"]
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(words, env=environ, stdout=output) as process:
            held = 0
            while process.poll() is None:
                held = _most_memory(process.pid) or held
                time.sleep(BETWEEN)
        output.seek(0)
        report = json.load(output)
    checks = [check for category in report["categories"] for check in category["checks"]]
    took = next(check["durationMs"] for check in checks if check["id"] == "registry-layer")
    if process.returncode:
        raise RuntimeError(report)
    return took / 1000, held


def _most_memory(pid: int) -> int:
    """Give the most megabytes that a process has held so far; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) // 1024 if found else 0


def _curl(served: Served, registry: Registry, authority: Authority) -> float:
    """Download the same blobs one after the other, each into sha256sum."""
    began = time.monotonic()
    for digest in list(registry.blobs)[1:]:
        url = f"{served.url}/v2/team/app/blobs/{digest}"
        words = ["curl", "-sS", "--cacert", str(authority.certificate), "-H", "Authorization: Bearer x", url]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as fetching:
            done = subprocess.run(["sha256sum"], stdin=fetching.stdout, capture_output=True, check=True)
        if done.stdout.split()[0].decode() != digest.partition(":")[2]:
            raise RuntimeError(digest)
    return time.monotonic() - began
