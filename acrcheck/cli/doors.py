"""The doors to the real world, put together; and closed on every way out."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

import click

from acrcheck.clock import Clock
from acrcheck.cluster.kubeconfig import Connection, ConnectionFlags, connect
from acrcheck.cluster.live import LiveCluster
from acrcheck.run import Doors
from acrcheck.target import Target
from acrcheck.wire.live import LiveWire
from acrcheck.wire.local import Received
from acrcheck.wire.vault import Vault


@dataclass(frozen=True, slots=True)
class Opened:
    """Open doors, and the target as far as the connection says more about it."""

    doors: Doors
    target: Target
    connection: Connection


@contextmanager
def opened(
    flags: ConnectionFlags,
    target: Target,
    clock: Clock,
    environ: Mapping[str, str],
    received: Received = lambda _, __: None,
) -> Iterator[Opened]:
    """Open the doors; whatever was created through them is deleted in the end. `received` is told of downloads.

    Raises UsageError for a connection that cannot be.
    """
    connection = connect(flags, clock, environ)
    target = replace(
        target,
        context=connection.context,
        context_namespace=connection.namespace,
        kubeconfig=connection.kubeconfig,
        own_pod=connection.own_pod,
    )
    vault = Vault()
    cluster = LiveCluster(connection, clock, vault, allow=target.allow)
    wire = LiveWire(
        cluster, vault, clock, allow=target.allow, probe_image=target.probe_image, received=received
    )
    with ending_as_interrupt():
        try:
            yield Opened(Doors(cluster, wire), target, connection)
        finally:
            for name in (*wire.close(), *cluster.close()):
                click.echo(f"acrcheck: pod {name} could not be deleted: acrcheck cleanup --yes", err=True)


@contextmanager
def ending_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does: with what is known, and everything deleted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
