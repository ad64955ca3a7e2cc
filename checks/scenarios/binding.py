"""The objects of AAD Pod Identity: bindings, identities, exceptions."""

from dataclasses import replace

from acrcheck.lab import faults
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import CLIENT_ID, SELECTOR, World, healthy

OTHER = "0d1f6d4e-98a4-4c6b-8f0a-55a1c3b2e7d9"


def _no_binding() -> World:
    return faults.broken(healthy(), faults.no_binding)


def _no_binding_addon() -> World:
    return faults.broken(_no_binding(), faults.made_by_aks)


def _identity_name() -> World:
    return faults.broken(healthy(), faults.binding(selector="coder-selector"))


def _letter_case() -> World:
    return faults.broken(healthy(), faults.binding(selector=SELECTOR.title()))


def _misspelt() -> World:
    return faults.broken(healthy(), faults.binding(azureIdentity="coder-idendity"))


def _no_identity() -> World:
    return faults.broken(healthy(), faults.no_azure_identity)


def _elsewhere() -> World:
    return faults.broken(healthy(), faults.move_objects)


def _malformed() -> World:
    malformed = "subscriptions/5f0b6d3c/resourcegroups/coder"
    return faults.broken(healthy(mode="standard"), faults.identity(resourceID=malformed), faults.scale(2))


def _no_guid() -> World:
    return faults.broken(healthy(), faults.identity(clientID="coder-acr"))


def _wrong_asked() -> World:
    world = faults.broken(healthy(), faults.identity(clientID=OTHER))
    world.target = replace(world.target, identity_client_id=CLIENT_ID)
    return world


def _several() -> World:
    return faults.broken(healthy(), faults.second_identity)


def _excepted() -> World:
    return faults.broken(healthy(), faults.excepted)


def _no_crds() -> World:
    return faults.broken(healthy(), faults.no_crds)


SCENARIOS = (
    Scenario(
        "binding-missing",
        "identity-not-bound",
        "no binding at all",
        _no_binding,
        mended_by=("create-binding",),
    ),
    Scenario(
        "binding-missing-addon",
        "identity-not-bound",
        "no binding, and the objects are the AKS add-on's",
        _no_binding_addon,
        unmended="AKS makes the objects, by an az command of its preview extension",
    ),
    Scenario(
        "label-is-identity-name",
        "label-is-not-the-selector",
        "the label is the AzureIdentity's name, and the binding's selector another",
        _identity_name,
        mended_by=("helm",),
    ),
    Scenario(
        "selector-letter-case",
        "label-is-not-the-selector",
        "label and selector differ in letter case",
        _letter_case,
        mended_by=("helm",),
    ),
    Scenario(
        "binding-misspelt",
        "binding-names-missing-identity",
        "the binding names an AzureIdentity that does not exist, another one does",
        _misspelt,
        mended_by=("name-the-one",),
    ),
    Scenario(
        "identity-object-missing",
        "binding-names-missing-identity",
        "there is no AzureIdentity at all",
        _no_identity,
        unmended="only a person knows which managed identity was meant",
    ),
    Scenario(
        "objects-in-other-namespace",
        "binding-in-other-namespace",
        "identity and binding are in another namespace (managed mode)",
        _elsewhere,
        mended_by=("copy",),
    ),
    Scenario(
        "resource-id-malformed",
        "azureidentity-malformed-resourceid",
        "the AzureIdentity's resource id is none (standard mode)",
        _malformed,
        unmended="only a person knows the resource id that was meant",
    ),
    Scenario(
        "client-id-malformed",
        "wrong-client-id",
        "the AzureIdentity's client id is no GUID",
        _no_guid,
        mended_by=("set-read",),
    ),
    Scenario(
        "client-id-not-the-one-asked-for",
        "wrong-client-id",
        "the AzureIdentity has another client id than the run is told",
        _wrong_asked,
        mended_by=("set-wanted",),
    ),
    Scenario(
        "several-identities",
        "several-identities-one-selector",
        "two identities share the label's selector",
        _several,
        unmended="the application has to say which identity it means",
        exit_code=0,
    ),
    Scenario(
        "pod-excepted",
        "pod-excepted-from-nmi",
        "an AzurePodIdentityException covers the pods",
        _excepted,
        unmended="only a person knows what the exception was for",
    ),
    Scenario(
        "crds-missing",
        "crd-not-installed",
        "the custom resource definitions are gone",
        _no_crds,
        unmended="the installation has to be made anew",
    ),
)
