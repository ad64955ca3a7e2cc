"""Coder's own API in the cluster's network: one deployment for each of the lab's scenarios that has one, on a port.

What each answers is the lab's: the images' repository and the moment are those of the test cluster.
"""

import ssl
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from acrcheck.catalogue import builtin_dir
from acrcheck.lab.answers import Handler
from acrcheck.lab.coder import HOST, Coder, CoderApi
from acrcheck.lab.path import giving
from acrcheck.lab.scenario import load_scenarios
from acrcheck.lab.serve import Server
from acrcheck.lab.world import World
from tests.cluster import azure, pki
from tests.cluster.layout import Layout

FIRST_PORT = 8300
SELF_SIGNED = "coder-self-signed"
PORTS = {
    scenario: FIRST_PORT + number
    for number, scenario in enumerate(
        (
            "coder-api",
            "coder-flag-off",
            "coder-flag-unknown",
            "coder-tags-stale",
            "coder-registry-missing",
            "coder-registry-wrong-host",
            "coder-registry-with-scheme",
            "coder-token-expired",
            "coder-role-too-low",
            "coder-url-is-v2",
            "coder-login-page",
            SELF_SIGNED,
        )
    )
}
"""Where the deployment of a scenario is asked."""


def url(layout: Layout, scenario: str) -> str:
    """The address of a scenario's deployment, for whoever is outside of the cluster too."""
    return f"https://{layout.address}:{PORTS[scenario]}"


def trusted(layout: Layout) -> Path:
    """The authority of all of them but the one that is self-signed."""
    return layout.state / "coder-ca.crt"


def worlds() -> dict[str, World]:
    """The lab's worlds in which Coder is asked, by their scenarios."""
    found = {item.id: item for item in load_scenarios(builtin_dir()) if item.id in PORTS}
    return {scenario: found[scenario].build() for scenario in PORTS}


def serve(layout: Layout, until: ExitStack) -> None:
    """Serve every deployment until the stack is closed."""
    own, trusted_one = _certificates(layout)
    for scenario, world in worlds().items():
        tls = own if scenario == SELF_SIGNED else trusted_one
        until.enter_context(Server(answering(world), layout.address, PORTS[scenario], tls))


def answering(world: World) -> Handler:
    """Whoever answers at the address: Coder, or what stands before it."""
    canned = world.network.answers.get(HOST)
    if canned is not None:
        return giving(canned)
    if world.coder is None:
        raise LookupError("the world has no Coder that answers")
    coder = moved(world.coder, world.clock.now())
    return CoderApi(lambda: coder, lambda: datetime.now(UTC))


def moved(coder: Coder, then: datetime) -> Coder:
    """The same deployment now, with the images that the test cluster's registry has."""
    since = datetime.now(UTC) - then
    audit = [
        {**entry, "time": f"{datetime.fromisoformat(entry['time']) + since:%Y-%m-%dT%H:%M:%SZ}"}
        for entry in coder.audit
    ]
    return replace(coder, repository=azure.IMAGE_REPOSITORY, tags=(azure.IMAGE_TAG,), audit=audit)


def _certificates(layout: Layout) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """One that is self-signed, and one of an authority that may be trusted."""
    authority = pki.Authority.new("coder")
    authority.pair.write(layout.state, "coder-ca")
    pairs = (pki.Authority.new(layout.address).pair, authority.issue("coder", "", (layout.address,)))
    return _context(layout.state, "coder-self", pairs[0]), _context(layout.state, "coder", pairs[1])


def _context(folder: Path, name: str, pair: pki.Pair) -> ssl.SSLContext:
    pair.write(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    return context
