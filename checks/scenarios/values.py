"""Helm's values and releases: labels at the wrong place, upgrades that did not come through, changes by hand."""

from typing import Any

from acrcheck.lab import faults
from acrcheck.lab.faults import Faulty
from acrcheck.lab.objects import LABEL
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import IDENTITY

LABELLED: dict[str, Any] = {"coderd": {"extraLabels": {LABEL: IDENTITY}}}

SCENARIOS = (
    Scenario(
        "values-as-documented",
        "values-label-misplaced",
        "the documentation's snippet was deployed as it stands",
        Faulty(faults.relabel(), faults.values({"extraLabels": None, LABEL: IDENTITY})),
        mended_by=("helm",),
    ),
    Scenario(
        "values-under-wrong-parent",
        "values-label-misplaced",
        "the label stands under podLabels, as other charts have it",
        Faulty(
            faults.relabel(),
            faults.values({"coderd": {"podLabels": {LABEL: IDENTITY}}}),
            faults.chart_unknown,
        ),
        mended_by=("helm-unknown-chart",),
    ),
    Scenario(
        "values-label-number",
        "values-label-refused",
        "the label was given as a number, and the upgrade failed",
        Faulty(faults.relabel(), faults.upgraded("failed", {"coderd": {"extraLabels": {LABEL: 123}}})),
        beside=("release-not-deployed",),
        unmended="the values file is its owner's: acrcheck values prints the patch for it",
    ),
    Scenario(
        "values-chart-too-old",
        "values-key-not-read",
        "the chart is older than the key of the label",
        Faulty(faults.relabel(), faults.values(LABELLED, version="1.25.3"), faults.chart_unknown),
        unmended="another version of Coder is no remedy of an incident: it migrates the database",
    ),
    Scenario(
        "values-removed-key",
        "values-key-removed",
        "a key that the chart gave up is still in the values",
        Faulty(faults.values({**LABELLED, "serviceType": "NodePort"}, version="1.27.3")),
        unmended="the values file is its owner's: acrcheck values prints the patch for it",
    ),
    Scenario(
        "values-half-certificate",
        "values-wrong-shape",
        "a certificate authority is named without the key that holds it",
        Faulty(faults.values({**LABELLED, "certs": {"secret": {"name": "company-ca"}}})),
        unmended="only its owner knows which key of the secret holds the certificate",
    ),
    Scenario(
        "release-pending",
        "release-not-deployed",
        "helm was stopped in the middle of an upgrade",
        Faulty(faults.upgraded("pending-upgrade")),
        mended_by=("rollback",),
    ),
    Scenario(
        "release-edited",
        "release-drift",
        "the label was put onto the pod template by hand",
        Faulty(faults.edited_by_hand),
        unmended="whether the change or the release is right, only its owner knows",
        exit_code=0,
    ),
)
