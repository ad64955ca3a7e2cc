"""The objects of AAD Pod Identity: bindings, identities, exceptions."""

from acrcheck.lab import faults
from acrcheck.lab.faults import Faulty
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import CLIENT_ID, SELECTOR

OTHER = "0d1f6d4e-98a4-4c6b-8f0a-55a1c3b2e7d9"
MALFORMED = "subscriptions/5f0b6d3c/resourcegroups/coder"


SCENARIOS = (
    Scenario(
        "binding-missing",
        "identity-not-bound",
        "no binding at all",
        Faulty(faults.no_binding),
        mended_by=("create-binding",),
    ),
    Scenario(
        "binding-missing-addon",
        "identity-not-bound",
        "no binding, and the objects are the AKS add-on's",
        Faulty(faults.no_binding, faults.made_by_aks),
        unmended="AKS makes the objects, by an az command of its preview extension",
    ),
    Scenario(
        "label-is-identity-name",
        "label-is-not-the-selector",
        "the label is the AzureIdentity's name, and the binding's selector another",
        Faulty(faults.binding(selector="coder-selector")),
        mended_by=("helm",),
    ),
    Scenario(
        "selector-letter-case",
        "label-is-not-the-selector",
        "label and selector differ in letter case",
        Faulty(faults.binding(selector=SELECTOR.title())),
        mended_by=("helm",),
    ),
    Scenario(
        "binding-misspelt",
        "binding-names-missing-identity",
        "the binding names an AzureIdentity that does not exist, another one does",
        Faulty(faults.binding(azureIdentity="coder-idendity")),
        mended_by=("name-the-one",),
    ),
    Scenario(
        "identity-object-missing",
        "binding-names-missing-identity",
        "there is no AzureIdentity at all",
        Faulty(faults.no_azure_identity),
        unmended="only a person knows which managed identity was meant",
    ),
    Scenario(
        "objects-in-other-namespace",
        "binding-in-other-namespace",
        "identity and binding are in another namespace (managed mode)",
        Faulty(faults.move_objects),
        mended_by=("copy",),
    ),
    Scenario(
        "resource-id-malformed",
        "azureidentity-malformed-resourceid",
        "the AzureIdentity's resource id is none (standard mode)",
        Faulty(faults.identity(resourceID=MALFORMED), mode="standard"),
        unmended="only a person knows the resource id that was meant",
    ),
    Scenario(
        "client-id-malformed",
        "wrong-client-id",
        "the AzureIdentity's client id is no GUID",
        Faulty(faults.identity(clientID="coder-acr")),
        mended_by=("set-read",),
    ),
    Scenario(
        "client-id-not-the-one-asked-for",
        "wrong-client-id",
        "the AzureIdentity has another client id than the run is told",
        Faulty(faults.identity(clientID=OTHER), faults.target(identity_client_id=CLIENT_ID)),
        mended_by=("set-wanted",),
    ),
    Scenario(
        "several-identities",
        "several-identities-one-selector",
        "two identities share the label's selector",
        Faulty(faults.second_identity),
        unmended="the application has to say which identity it means",
        exit_code=0,
    ),
    Scenario(
        "pod-excepted",
        "pod-excepted-from-nmi",
        "an AzurePodIdentityException covers the pods",
        Faulty(faults.excepted),
        unmended="only a person knows what the exception was for",
    ),
    Scenario(
        "crds-missing",
        "crd-not-installed",
        "the custom resource definitions are gone",
        Faulty(faults.no_crds),
        unmended="the installation has to be made anew",
    ),
)
