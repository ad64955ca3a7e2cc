"""The metadata service, and what stands between the pods and it; clocks."""

from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.faults import SYSTEM_NODE, WORKER_NODE
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import World, healthy


def _silent() -> World:
    return faults.broken(healthy(), faults.imds("silent", WORKER_NODE))


def _stopped() -> World:
    return faults.broken(healthy(), faults.imds("stopped", WORKER_NODE))


def _blocked() -> World:
    return faults.broken(healthy(), faults.imds_blocked)


def _throttled() -> World:
    redirect = faults.missing_redirect(SYSTEM_NODE, WORKER_NODE)
    return faults.broken(healthy(), redirect, faults.imds("throttled"))


def _proxy() -> World:
    variables = {"http_proxy": "http://proxy.contoso.com:3128", "no_proxy": "cluster.local"}
    return faults.broken(healthy(), faults.environment(**variables))


def _ahead() -> World:
    return faults.broken(healthy(), faults.clock_ahead(timedelta(days=2)))


def _behind() -> World:
    return faults.broken(healthy(), faults.clock_ahead(timedelta(hours=-1)))


SCENARIOS = (
    Scenario(
        "imds-silent", "imds-unreachable", "IMDS of one node does not answer", _silent, mended_by=("move",)
    ),
    Scenario(
        "imds-stopped",
        "imds-unreachable",
        "IMDS of one node refuses connections",
        _stopped,
        mended_by=("move",),
    ),
    Scenario(
        "imds-blocked",
        "imds-blocked-by-network-policy",
        "a firewall drops what pods send to 169.254.169.254",
        _blocked,
        among=("imds-restricted-by-aks",),
        unmended="only a person knows the rule that was meant",
    ),
    Scenario(
        "imds-throttled",
        "rate-limited-imds",
        "IMDS limits the nodes' requests",
        _throttled,
        unmended="time mends it",
    ),
    Scenario(
        "proxy-swallows-imds",
        "proxy-swallows-imds",
        "the pods' proxy takes requests for 169.254.169.254",
        _proxy,
        unmended="the change belongs into the values that Helm is given",
    ),
    Scenario(
        "clock-ahead",
        "clock-skew",
        "the operator's clock is two days ahead",
        _ahead,
        unmended="the clock is at fault",
    ),
    Scenario(
        "clock-behind",
        "clock-skew",
        "the operator's clock is an hour behind",
        _behind,
        unmended="the clock is at fault",
    ),
)
