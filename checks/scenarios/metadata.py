"""The metadata service, and what stands between the pods and it; clocks."""

from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.faults import SYSTEM_NODE, WORKER_NODE, Faulty
from acrcheck.lab.scenario import Scenario

SCENARIOS = (
    Scenario(
        "imds-silent",
        "imds-unreachable",
        "IMDS of one node does not answer",
        Faulty(faults.imds("silent", WORKER_NODE)),
        mended_by=("move",),
    ),
    Scenario(
        "imds-stopped",
        "imds-unreachable",
        "IMDS of one node refuses connections",
        Faulty(faults.imds("stopped", WORKER_NODE)),
        mended_by=("move",),
    ),
    Scenario(
        "imds-blocked",
        "imds-blocked-by-network-policy",
        "a firewall drops what pods send to 169.254.169.254",
        Faulty(faults.imds_blocked),
        among=("imds-restricted-by-aks",),
        unmended="only a person knows the rule that was meant",
    ),
    Scenario(
        "imds-throttled",
        "rate-limited-imds",
        "IMDS limits the nodes' requests",
        Faulty(faults.missing_redirect(SYSTEM_NODE, WORKER_NODE), faults.imds("throttled")),
        unmended="time mends it",
    ),
    Scenario(
        "proxy-swallows-imds",
        "proxy-swallows-imds",
        "the pods' proxy takes requests for 169.254.169.254",
        Faulty(faults.environment(http_proxy="http://proxy.contoso.com:3128", no_proxy="cluster.local")),
        unmended="the change belongs into the values that Helm is given",
    ),
    Scenario(
        "clock-ahead",
        "clock-skew",
        "the operator's clock is two days ahead",
        Faulty(faults.clock_ahead(timedelta(days=2))),
        unmended="the clock is at fault",
    ),
    Scenario(
        "clock-behind",
        "clock-skew",
        "the operator's clock is an hour behind",
        Faulty(faults.clock_ahead(timedelta(hours=-1))),
        unmended="the clock is at fault",
    ),
)
