"""Workload identity: what libraries print when a service account's token cannot become one of Entra's."""

from collections.abc import Callable
from datetime import timedelta

import httpx

from acrcheck.lab import faults
from acrcheck.lab.programs import entra, sdk, webhook
from acrcheck.lab.programs.workload import REGISTRY_SCOPE, Program
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.webhook import LABEL
from acrcheck.lab.world import HOST, TOKEN_ISSUER, World, healthy

SUBJECT = "system:serviceaccount:coder:coder"
LATER = timedelta(minutes=5)
HOURS = timedelta(hours=3)
UNMATCHED = ("federated-credential-missing", "federated-issuer-mismatch", "federated-subject-mismatch")
UNINJECTED = ("wi-client-id-missing", "wi-pod-label-missing", "wi-webhook-not-injected")
Prints = Callable[[World], str]


def _federated(*extra: faults.Fault) -> World:
    return faults.broken(healthy(), faults.workload_identity, *extra)


def _program(world: World) -> Program:
    return Program(world, world.pods[0])


def _exchanged(world: World, scope: str = REGISTRY_SCOPE, age: timedelta = timedelta()) -> httpx.Response:
    program = _program(world)
    return program.exchange(program.assertion(age), scope)


def _printed(client: Callable[[httpx.Response], str], scope: str = REGISTRY_SCOPE) -> Prints:
    return lambda world: client(_exchanged(world, scope))


def _msal_go(world: World) -> str:
    return entra.msal_go(_exchanged(world), world.clock.now())


def _old_token(world: World) -> str:
    return entra.azidentity(_exchanged(world, age=HOURS))


def _token_for_api_server(world: World) -> str:
    program = _program(world)
    return entra.azidentity(program.exchange(program.assertion(audience="https://kubernetes.default.svc")))


def _own_token(world: World) -> str:
    """The program offers the token of a managed identity."""
    program = _program(world)
    token = program.metadata("https://containerregistry.azure.net", "2018-02-01").json()["access_token"]
    return entra.dotnet(program.exchange(token))


def _no_credential(world: World) -> None:
    world.azure.identities[0].federated.clear()


def _in_five_minutes(world: World) -> None:
    world.azure.identities[0].federated[0].effective_at = world.clock.now() + LATER


def _unreachable(world: World) -> None:
    world.azure.unreachable_issuers.append(TOKEN_ISSUER)


def _bound_as_well(world: World) -> None:
    """The pods keep their other label too, so that NMI gives them tokens."""
    labels = world.deployment["spec"]["template"]["metadata"]["labels"]
    faults.relabel("aadpodidbinding", "coder-identity")(world)
    labels[LABEL] = "true"
    faults.settle(world)


def _unlabelled(world: World) -> None:
    del world.deployment["spec"]["template"]["metadata"]["labels"][LABEL]
    faults.settle(world)


def _without_annotation(world: World) -> None:
    world.annotations.clear()


def _late(world: World) -> None:
    """The webhook was away while the pods were made."""
    faults.webhook(since=world.clock.now(), failure_policy="Ignore")(world)


def _certificate_expired(world: World) -> None:
    faults.webhook(certificate=world.clock.now() - HOURS)(world)


def _no_token_for_pods(world: World) -> None:
    """Nothing catches what pods ask of the metadata service, and nodes have several identities."""
    faults.no_nmi()(world)


def _of(prints: Callable[[Program], str]) -> Prints:
    return lambda world: prints(_program(world))


SCENARIOS = (
    Scenario(
        "federation-of-entra-token",
        "federated-assertion-from-entra",
        "a managed identity's token is offered in place of the service account's",
        lambda: _federated(_bound_as_well),
        prints=_own_token,
    ),
    Scenario(
        "federation-audience",
        "federated-audience-mismatch",
        "the token is for the API server",
        _federated,
        prints=_token_for_api_server,
    ),
    Scenario(
        "federation-without-credential",
        "federated-credential-missing",
        "the identity trusts no cluster",
        lambda: _federated(_no_credential),
        prints=_printed(entra.azidentity),
    ),
    Scenario(
        "federation-too-early",
        "federated-credential-not-propagated",
        "the credential was made a minute ago",
        lambda: _federated(_in_five_minutes),
        among=UNMATCHED,
        prints=_printed(entra.python),
    ),
    Scenario(
        "federation-issuer-without-slash",
        "federated-issuer-mismatch",
        "the credential's issuer lacks its last slash",
        lambda: _federated(faults.federated(issuer=TOKEN_ISSUER.rstrip("/"))),
        prints=_msal_go,
    ),
    Scenario(
        "federation-of-other-account",
        "federated-subject-mismatch",
        "the credential names another service account",
        lambda: _federated(faults.federated(subject="system:serviceaccount:coder:default")),
        among=("federated-credential-not-propagated",),
        prints=_printed(entra.azidentity),
    ),
    Scenario(
        "federation-letter-case",
        "federated-subject-mismatch",
        "the credential's subject has another letter case",
        lambda: _federated(faults.federated(subject=SUBJECT.replace(":coder:", ":Coder:"))),
        prints=_printed(entra.dotnet),
    ),
    Scenario(
        "federation-issuer-unreachable",
        "oidc-issuer-unreachable",
        "Entra cannot fetch the cluster's keys",
        lambda: _federated(_unreachable),
        prints=_printed(entra.dotnet),
    ),
    Scenario(
        "federation-old-token",
        "projected-token-expired",
        "a program goes on with the token that it read at its start",
        _federated,
        among=("clock-skew",),
        prints=_old_token,
    ),
    Scenario(
        "workload-identity-unlabelled",
        "wi-pod-label-missing",
        "the pods lack the label",
        lambda: _federated(_unlabelled, _no_token_for_pods),
        among=UNINJECTED,
        prints=_of(sdk.go_default),
    ),
    Scenario(
        "workload-identity-unlabelled-python",
        "wi-pod-label-missing",
        "the pods lack the label, and the program is in Python",
        lambda: _federated(_unlabelled),
        among=UNINJECTED,
        prints=_of(sdk.python_workload),
    ),
    Scenario(
        "workload-identity-webhook-late",
        "wi-webhook-not-injected",
        "the webhook came after the pods",
        lambda: _federated(_late),
        among=UNINJECTED,
        prints=_of(sdk.msal_go_client),
    ),
    Scenario(
        "workload-identity-no-annotation",
        "wi-client-id-missing",
        "the service account names no client id",
        lambda: _federated(_without_annotation),
        prints=_of(sdk.python_managed),
    ),
    Scenario(
        "workload-identity-no-annotation-go",
        "wi-client-id-missing",
        "the service account names no client id, and the program is in Go",
        lambda: _federated(_without_annotation, _no_token_for_pods),
        among=UNINJECTED,
        prints=_of(sdk.go_default),
    ),
    Scenario(
        "workload-identity-old-library",
        "sdk-without-workload-identity",
        "the program's library for Go is older than workload identity",
        lambda: _federated(faults.imds_blocked),
        prints=_of(lambda program: sdk.go_default(program, (1, 2))),
    ),
    Scenario(
        "webhook-absent",
        "wi-webhook-unavailable",
        "the webhook does not run",
        lambda: _federated(faults.webhook(answers="absent")),
        prints=webhook.events_of_replicaset,
    ),
    Scenario(
        "webhook-silent",
        "wi-webhook-unavailable",
        "the API server gets no answer of the webhook",
        lambda: _federated(faults.webhook(answers="silent")),
        prints=webhook.events_of_replicaset,
    ),
    Scenario(
        "webhook-plain",
        "wi-webhook-unavailable",
        "something before the webhook answers without TLS",
        lambda: _federated(faults.webhook(answers="plain", namespace="azure-workload-identity-system")),
        prints=webhook.events_of_replicaset,
    ),
    Scenario(
        "webhook-certificate-expired",
        "webhook-tls-certificate-expiry",
        "the webhook's certificate has expired",
        lambda: _federated(_certificate_expired),
        prints=webhook.events_of_replicaset,
    ),
    Scenario(
        "audience-is-registry",
        "wrong-audience",
        "a token is asked for the registry's own address",
        _federated,
        prints=_printed(entra.azidentity, f"https://{HOST}/.default"),
    ),
    Scenario(
        "audience-without-default",
        "wrong-audience",
        "a resource is asked for as a scope",
        _federated,
        prints=_printed(entra.python, "https://containerregistry.azure.net"),
    ),
    Scenario(
        "audience-of-government",
        "wrong-cloud",
        "a token is asked for the ARM of another cloud",
        _federated,
        prints=_printed(entra.azidentity, "https://management.usgovcloudapi.net/.default"),
    ),
)
