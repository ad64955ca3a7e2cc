"""Reports to render: made by the real diagnosis from results made by hand."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from acrcheck.diagnosis import diagnose
from acrcheck.facts import Pod
from acrcheck.model import (
    EVERYTHING,
    Cause,
    Check,
    Decider,
    Kind,
    Level,
    Observation,
    Permission,
    Remedy,
    Report,
    Result,
    Status,
    Subject,
    Waiver,
    fail,
    warn,
)
from acrcheck.waiving import waive

BEGAN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
LAYERS = ("cluster", "label", "identity", "role", "support")
CATEGORIES = (
    ("cluster", "Kubernetes API"),
    ("label", "Pod label"),
    ("token", "Identity token"),
    ("registry", "Registry"),
)
WHERE = {
    "context": "aks-prod",
    "namespace": "coder",
    "workload": "deployment/coderd",
    "version": "0.1.0",
    "runId": "6b1e0d3c",
}
NO_LABEL = fail("pod-without-label", "pod {pod} has no label aadpodidbinding")
NOT_FOUND = fail("identity-not-found", "the token endpoint answered {status}: Identity not found")
DENIED = fail("exchange-denied", "the registry answered {status} to the token of {client_id}")
RETIRED = warn("retired", "AAD Pod Identity {version} is in use; it is archived and gets no fixes")


def looking() -> Iterator[Observation]:
    """Stand in for a check's function: these reports are made without running one."""
    yield from ()


def check(name: str, title: str, category: str, *sees: Kind) -> Check:
    """Declare a check of a category; but for the cluster's they look at each pod."""
    return Check(
        name, title, looking, sees=sees, category=category, each=None if category == "cluster" else Pod
    )


API = check("api-server", "the API server answers", "cluster")
PERMISSIONS = check("permissions", "what the checks ask is permitted", "cluster")
LABEL = check("label", "carries the aadpodidbinding label", "label", NO_LABEL)
SUPPORT = check("retirement", "the identity add-on is supported", "label", RETIRED)
TOKEN = check("token-arm", "gets a token for Azure Resource Manager", "token", NOT_FOUND)
DECODED = check("token-identity", "the token is of the right identity", "token")
EXCHANGE = check("registry-exchange", "the registry accepts the identity's token", "registry", DENIED)
SCOPE = check("registry-scope", "the identity may pull the repository", "registry")
MANIFEST = check("image-manifest", "the image exists for linux/amd64", "registry")


def cause(name: str, layer: str, requires: Kind, **more: Any) -> Cause:
    """Make a cause that one kind of observation is enough for."""
    plain = Cause(
        id=name,
        title=name.replace("-", " "),
        layer=layer,
        seen=("run",),
        requires=((requires.id,),),
        supports=(),
        contradicts=(),
        hides=(),
        neighbours=(),
        means="",
        remedies=(),
        decides=(),
        links=(),
        prose="",
        place="",
    )
    return replace(plain, **more)


def remedy(text: str, command: str, who: str = "cluster admin", *, changes: bool = True) -> Remedy:
    """Make a remedy that always applies."""
    name = re.sub("[^a-z0-9]+", "-", text.lower())[:20].strip("-")
    return Remedy(name, text, command, (), changes, who)


UNLABELLED = cause(
    "pod-without-label",
    "label",
    NO_LABEL,
    supports=(NOT_FOUND.id,),
    hides=("identity", "role"),
    means="NMI gives a token only to pods whose label aadpodidbinding equals a binding's selector; "
    "without the label every request for a token fails.",
    remedies=(
        remedy("Put `coderd.extraLabels.aadpodidbinding: coder` into the team's values file.", ""),
        remedy(
            "Label the pod template through the release, at the deployed chart's version.",
            "helm upgrade coder coder-v1 --namespace coder --kube-context aks-prod --version 1.44.6 "
            "--reuse-values --set-string coderd.extraLabels.aadpodidbinding=coder",
        ),
    ),
)
UNFOUND = cause("identity-missing-on-scale-set", "identity", NOT_FOUND, means="No identity there.")
ARCHIVED = cause(
    "pod-identity-retired",
    "support",
    RETIRED,
    means="Deprecated 2022-10-24, archived 2023-10-02; the add-on's support ended in September 2025.",
    remedies=(
        remedy("A repository-scoped token of the registry.", "", "registry owner"),
        remedy("Microsoft Entra Workload Identity.", ""),
        remedy("Coder v2.", ""),
    ),
)
ROLES = ("role-missing", "abac-needs-another-role", "role-not-yet-propagated")
ASSIGN = (
    "ID=$(az acr list --query \"[?loginServer=='contoso.azurecr.io'].id|[0]\" -o tsv); "
    "az role assignment create --assignee-object-id 11111111-2222-3333-4444-555555555555 "
    '--assignee-principal-type ServicePrincipal --role AcrPull --scope "${{ID:?registry not in this subscription}}"'
)
DENIALS = tuple(
    cause(
        name,
        "role",
        DENIED,
        neighbours=tuple(other for other in ROLES if other != name),
        means="The registry knows the identity and gives it no right to pull; the three causes look alike from here.",
        remedies=(
            remedy("Give the identity the role, then wait up to 10 minutes.", ASSIGN, "registry owner"),
        ),
        decides=(
            Decider(
                "whether the registry's role mode is ABAC",
                "az acr show -n contoso --query roleAssignmentMode",
                (),
            ),
        ),
    )
    for name in ROLES
)
CAUSES = (UNLABELLED, UNFOUND, ARCHIVED, *DENIALS)


def pod(name: str) -> Subject:
    """Give the subject that a pod is."""
    return Subject(f"pod/{name}", frozenset({f"pod/{name}", "node/aks-pool-0"}))


PODS = tuple(pod(f"coderd-{end}") for end in ("7d4b9-x2x9z", "7d4b9-k8k2p", "7d4b9-q5q7r"))


def came(
    check: Check, status: Status, *seen: Observation, subject: Subject = EVERYTHING, **more: Any
) -> Result:
    """Make a result that took 12 ms."""
    placed = tuple(replace(item, check=check.id, subject=subject) for item in seen)
    return Result(check, status, subject, placed, **{"duration": 0.012, **more})


def report(*results: Result, causes: tuple[Cause, ...] = CAUSES, **more: Any) -> Report:
    """Make a report of a run of 4.2 s, its causes found by the real diagnosis."""
    return Report(
        started=BEGAN,
        finished=BEGAN + timedelta(seconds=4.2),
        results=results,
        findings=diagnose(results, causes, LAYERS, {"kubectl": "kubectl --context aks-prod"}),
        categories=CATEGORIES,
        metadata=WHERE,
        kubectl="kubectl --context aks-prod",
        **more,
    )


def healthy() -> Report:
    """All is well, but for what is out of support."""
    return report(
        came(API, Status.PASS),
        *(came(LABEL, Status.PASS, subject=pod) for pod in PODS),
        came(SUPPORT, Status.WARN, RETIRED(version="v1.8.13")),
        *(came(TOKEN, Status.PASS, subject=pod, duration=1.24) for pod in PODS),
        came(EXCHANGE, Status.PASS),
        came(SCOPE, Status.SKIP, reason="no image is named: give --image or set one in the workload"),
    )


def unlabelled() -> Report:
    """Three pods lack the label, what follows from that fails too, and the rest is blocked."""
    return report(
        came(API, Status.PASS),
        *(came(LABEL, Status.FAIL, NO_LABEL(pod=pod.name.removeprefix("pod/")), subject=pod) for pod in PODS),
        *(came(TOKEN, Status.FAIL, NOT_FOUND(status=404), subject=pod) for pod in PODS),
        *(
            came(check, Status.SKIP, subject=pod, reason="blocked by token-arm", blocked_by="token-arm")
            for check in (DECODED, EXCHANGE, SCOPE, MANIFEST)
            for pod in PODS
        ),
    )


def denied() -> Report:
    """Three causes explain the registry's refusal equally well."""
    body = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required, visit '
    body += 'https://aka.ms/acr/authorization for more information."}]}'
    seen = DENIED(status=401, client_id="9f2c0000-0000-4000-8000-000000000001", evidence={"body": body})
    return report(
        came(API, Status.PASS),
        *(came(TOKEN, Status.PASS, subject=pod) for pod in PODS),
        came(EXCHANGE, Status.FAIL, seen, subject=PODS[0]),
        *(came(EXCHANGE, Status.PASS, subject=pod) for pod in PODS[1:]),
        came(
            SCOPE,
            Status.SKIP,
            subject=PODS[0],
            reason="blocked by registry-exchange",
            blocked_by="registry-exchange",
        ),
        *(came(SCOPE, Status.PASS, subject=pod) for pod in PODS[1:]),
    )


def blind() -> Report:
    """The operator may not look, a check crashes, and the run is interrupted."""
    permission = Permission("list", "azureidentities", "coder", "aadpodidentity.k8s.io")
    crash = "the check itself failed: KeyError: 'status'"
    return report(
        came(API, Status.PASS),
        came(
            PERMISSIONS,
            Status.UNKNOWN,
            reason=f"not permitted to {permission.text}",
            permission=permission,
            inconclusive=True,
        ),
        came(
            LABEL,
            Status.UNKNOWN,
            reason=f"not permitted to {permission.text}",
            permission=permission,
            inconclusive=True,
        ),
        *(
            came(
                TOKEN,
                Status.UNKNOWN,
                subject=pod,
                reason="the container has no curl, wget or python3",
                remedy="run again with --allow debug-container",
                inconclusive=True,
            )
            for pod in PODS
        ),
        came(
            EXCHANGE,
            Status.UNKNOWN,
            reason=crash,
            inconclusive=True,
            traceback="Traceback (most recent call last):\n  File \"x.py\", line 1\nKeyError: 'status'",
        ),
        came(SCOPE, Status.SKIP, reason="blocked by token-arm", blocked_by="token-arm", inconclusive=True),
        came(MANIFEST, Status.UNKNOWN, reason="interrupted", inconclusive=True),
        interrupted=True,
    )


def hostile() -> Report:
    """What the cluster says tries to steer the terminal, and no cause explains it."""
    steering = Kind("odd-answer", Level.FAIL, "the server said {text}")
    odd = check("odd", "answers with words", "cluster", steering)
    return report(came(odd, Status.FAIL, steering(text="\x1b[2J\x1b]0;owned\x07 done\u202e\ud800 é")))


def waived() -> Report:
    """A profile waives one pod's failure and an unknown; one of its waivers has expired, another covers nothing."""
    day = date(2026, 11, 30)
    results, uses = waive(
        (*unlabelled().results, came(PERMISSIONS, Status.UNKNOWN, reason="timed out", inconclusive=True)),
        (
            Waiver("that pod goes", day, check="label", subject="*x2x9z", place="ours.toml:3"),
            Waiver("no reviews here", day, check="permissions", place="ours.toml:8"),
            Waiver("until Sunday", date(2026, 11, 22), observation=NOT_FOUND.id, place="ours.toml:12"),
            Waiver("slow here", day, check="registry-scope", observation=DENIED.id, place="ours.toml:16"),
        ),
        BEGAN.date(),
    )
    return replace(unlabelled(), results=results, waived=uses)


ALL = {
    "healthy": healthy,
    "unlabelled": unlabelled,
    "denied": denied,
    "blind": blind,
    "hostile": hostile,
    "waived": waived,
}
