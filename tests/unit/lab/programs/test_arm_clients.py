"""az where it asks ARM for a person."""

from datetime import timedelta

import pytest

from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.directory import Application, Secret, User
from acrcheck.lab.programs.arm import SignedInAz, sign_in
from acrcheck.lab.world import (
    CLIENT_ID,
    GROUP,
    OBJECT_ID,
    REGISTRY_ID,
    TENANT,
    World,
    healthy,
    managed_identity,
)

ALICE = User("alice@contoso.com", "d2f1c7a4-6b30-4e59-8c1d-95e0a7b3f268", TENANT)
APPLICATION, PRINCIPAL = "3f8e2a71-0c4d-4b96-8f15-7d2ac0be6e49", "6e20d9b5-1f47-4ac8-b03e-c85f2d7a9134"
VALUE, NAME = "the-value", "the-name-beside-it"


def signed_in(role: str = "Owner", days: int = 1) -> World:
    """Alice has a role on the registry's group, and signed in so long ago."""
    world = healthy()
    world.azure.users.append(ALICE)
    world.azure.roles.append(RoleAssignment(ALICE.object_id, role, GROUP))
    world.workstation.user = ALICE
    world.workstation.signed_in = world.clock.now() - timedelta(days=days)
    return world


def with_application(ends: int = 1) -> World:
    """There is an application whose secret ends in so many days."""
    world = signed_in()
    secret = Secret(NAME, VALUE, world.clock.now() + timedelta(days=ends))
    world.azure.applications.append(Application("puller", APPLICATION, PRINCIPAL, TENANT, [secret]))
    return world


@pytest.mark.parametrize("role", ["Owner", "User Access Administrator"])
def test_who_may_assigns_a_role(role: str) -> None:
    """And nothing is printed of it."""
    world = signed_in(role)

    assert SignedInAz(world).assign_role(OBJECT_ID) == ""
    assert SignedInAz(world).attach(OBJECT_ID) == ""


def test_a_contributor_may_not() -> None:
    """ARM names the person, the action and the scope; az says it three times."""
    text = SignedInAz(signed_in("Contributor")).assign_role(OBJECT_ID)

    head, code, message = text.splitlines()
    assert head == f"ERROR: (AuthorizationFailed) {message.removeprefix('Message: ')}"
    assert code == "Code: AuthorizationFailed"
    assert message.startswith(
        f"Message: The client 'alice@contoso.com' with object id '{ALICE.object_id}' does not have authorization to "
        "perform action 'Microsoft.Authorization/roleAssignments/write' over scope "
        f"'{REGISTRY_ID}/providers/Microsoft.Authorization/roleAssignments/"
    )
    assert SignedInAz(signed_in("Contributor")).attach(OBJECT_ID) == (
        "ERROR: Could not create a role assignment for ACR. Are you an Owner on this subscription?\n"
    )


def test_a_client_id_is_no_principal() -> None:
    """ARM writes ids without their dashes, and takes them on trust when the type is named."""
    text = SignedInAz(signed_in()).assign_role(CLIENT_ID)

    assert text.startswith(
        f"ERROR: (PrincipalNotFound) Principal {CLIENT_ID.replace('-', '')} does not exist in the"
    )
    assert SignedInAz(signed_in()).assign_role(CLIENT_ID, "ServicePrincipal") == ""


def test_az_looks_ids_up() -> None:
    """An application's and a principal's are found, others not."""
    assert SignedInAz(signed_in()).assign_role_to(CLIENT_ID) == ""
    assert SignedInAz(signed_in()).assign_role_to(OBJECT_ID) == ""
    assert (
        SignedInAz(signed_in())
        .assign_role_to("x")
        .startswith("ERROR: Cannot find user or service principal in graph")
    )


def test_a_sign_in_lapses() -> None:
    """After ninety days without use; nobody's is none at all."""
    assert SignedInAz(signed_in(days=89)).account() == ""
    assert (
        SignedInAz(signed_in(days=91))
        .account()
        .startswith("ERROR: AADSTS700082: The refresh token has expired due to inactiv")
    )
    assert SignedInAz(healthy()).account() == "ERROR: Please run 'az login' to setup account.\n"


def test_a_policy_blocks() -> None:
    """Whoever it names gets no token."""
    world = signed_in()
    world.azure.tenants[0].blocked.append(ALICE.object_id)

    assert (
        SignedInAz(world)
        .account()
        .startswith("ERROR: AADSTS53003: Access has been blocked by Conditional Access policies.")
    )


def test_secrets() -> None:
    """The right one lets in while it lasts; its id never does."""
    assert sign_in(with_application(), APPLICATION, VALUE, TENANT) == ""
    assert "AADSTS7000222: The provided client secret keys for app" in sign_in(
        with_application(-1), APPLICATION, VALUE, TENANT
    )
    assert "AADSTS7000215: Invalid client secret provided." in sign_in(
        with_application(), APPLICATION, NAME, TENANT
    )


def test_a_new_principal_is_known_later() -> None:
    """Neither Entra nor AKS has heard of it yet."""
    world = with_application()
    world.azure.applications[0].known_from = world.clock.now() + timedelta(minutes=5)

    assert "AADSTS700016: Application with identifier" in sign_in(world, APPLICATION, VALUE, TENANT)
    assert (
        SignedInAz(world)
        .create_cluster(APPLICATION)
        .startswith(
            f"ERROR: (ServicePrincipalNotFound) Service principal clientID: {APPLICATION} not found in Active Directory"
        )
    )
    world.clock.sleep(600)
    assert SignedInAz(world).create_cluster(APPLICATION) == ""


def test_the_kubelet_identity_stays() -> None:
    """Az refuses for one kind of cluster, AKS for the other."""
    world = signed_in()
    new = managed_identity("new", "coder", "1-2", "3-4")
    assert SignedInAz(world).change_kubelet_identity(new) == (
        "ERROR: --assign-identity is not provided and the cluster identity type is not user assigned, cannot update "
        "kubelet identity\n"
    )
    world.azure.clusters[0].control_plane = "UserAssigned"

    old = world.azure.identities[1]
    assert (
        f"Change kubelet identity from ResourceID:{old.resource_id} ClientID:{old.client_id} "
        f"ObjectID:{old.object_id} to ResourceID:{new.resource_id} ClientID:1-2 ObjectID:3-4 is not allowed."
    ) in SignedInAz(world).change_kubelet_identity(new)
    assert SignedInAz(world).change_kubelet_identity(old) == ""
