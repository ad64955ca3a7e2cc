"""People and service principals: what az prints of who may not, is not known, or is not let in."""

from datetime import timedelta

from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.directory import Application, Secret, User
from acrcheck.lab.programs.arm import SignedInAz, sign_in
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.world import CLIENT_ID, GROUP, NODE_GROUP, TENANT, World, healthy, managed_identity

ALICE = User("alice@contoso.com", "d2f1c7a4-6b30-4e59-8c1d-95e0a7b3f268", TENANT)
APPLICATION = "3f8e2a71-0c4d-4b96-8f15-7d2ac0be6e49"
PRINCIPAL = "6e20d9b5-1f47-4ac8-b03e-c85f2d7a9134"
STRANGER = "8d3b6f02-5a9c-4e17-9f64-b1c07e2d85a3"
SECRET_ID, SECRET = "b07f4c13-92de-4a58-8613-5ec9d0a2f7b4", "what-the-portal-showed-once"
MINUTES = timedelta(minutes=5)
KUBELET = managed_identity(
    "new-kubelet", NODE_GROUP, "f4a90b6d-37c2-4d81-a5e9-0c6b18d2f753", "19e7c5a3-84b0-4f26-9d3a-6fb2e01c7d48"
)
UNKNOWN = ("role-assignee-wrong-id", "tenant-mismatch", "principal-not-propagated")
UNKNOWN_CLIENT = ("wrong-client-id", "tenant-mismatch")


def _signed_in(role: str = "Owner", ago: timedelta = timedelta(days=1)) -> World:
    """A person with a role on the registry's group is signed in on the workstation."""
    world = healthy()
    world.azure.users.append(ALICE)
    world.azure.roles.append(RoleAssignment(ALICE.object_id, role, GROUP))
    world.workstation.user = ALICE
    world.workstation.signed_in = world.clock.now() - ago
    return world


def _blocked() -> World:
    world = _signed_in()
    world.azure.tenants[0].blocked.append(ALICE.object_id)
    return world


def _application(ends: timedelta = timedelta(days=365), known: timedelta = timedelta(days=-1)) -> World:
    """There is an application with one secret."""
    world = _signed_in()
    now = world.clock.now()
    secret = Secret(SECRET_ID, SECRET, now + ends)
    application = Application("coder-pull", APPLICATION, PRINCIPAL, TENANT, [secret])
    application.known_from = now + known
    world.azure.applications.append(application)
    return world


def _user_assigned() -> World:
    world = _signed_in()
    world.azure.clusters[0].control_plane = "UserAssigned"
    world.azure.identities.append(KUBELET)
    return world


SCENARIOS = (
    Scenario(
        "contributor-assigns-role",
        "caller-cannot-assign-role",
        "a contributor gives the identity a role",
        lambda: _signed_in("Contributor"),
        prints=lambda world: SignedInAz(world).assign_role(
            world.azure.identities[0].object_id, "ServicePrincipal"
        ),
    ),
    Scenario(
        "contributor-attaches-registry",
        "caller-cannot-assign-role",
        "a contributor attaches the registry to the cluster",
        lambda: _signed_in("Contributor"),
        prints=lambda world: SignedInAz(world).attach(world.azure.identities[1].object_id),
    ),
    Scenario(
        "az-not-used-for-months",
        "cli-login-expired",
        "nobody has used this sign-in for months",
        lambda: _signed_in(ago=timedelta(days=120)),
        prints=lambda world: SignedInAz(world).account(),
    ),
    Scenario(
        "az-never-signed-in",
        "cli-login-expired",
        "nobody has signed in on this machine",
        healthy,
        prints=lambda world: SignedInAz(world).account(),
    ),
    Scenario(
        "az-blocked-by-policy",
        "conditional-access-blocked",
        "a policy gives this person no token here",
        _blocked,
        prints=lambda world: SignedInAz(world).account(),
    ),
    Scenario(
        "cluster-for-new-principal",
        "principal-not-propagated",
        "a cluster is made for a service principal of a minute ago",
        lambda: _application(known=MINUTES),
        among=UNKNOWN_CLIENT,
        prints=lambda world: SignedInAz(world).create_cluster(APPLICATION),
    ),
    Scenario(
        "role-for-client-id",
        "role-assignee-wrong-id",
        "a role is given to the identity's client id",
        _signed_in,
        among=UNKNOWN,
        prints=lambda world: SignedInAz(world).assign_role(CLIENT_ID),
    ),
    Scenario(
        "role-for-nobody",
        "role-assignee-wrong-id",
        "a role is given to an id that is nobody's",
        _signed_in,
        prints=lambda world: SignedInAz(world).assign_role_to(STRANGER),
    ),
    Scenario(
        "secret-expired",
        "sp-secret-expired",
        "the service principal's secret has ended",
        lambda: _application(ends=-MINUTES),
        prints=lambda world: sign_in(world, APPLICATION, SECRET, TENANT),
    ),
    Scenario(
        "secret-id-sent",
        "sp-secret-invalid",
        "the secret's id is sent in its place",
        _application,
        prints=lambda world: sign_in(world, APPLICATION, SECRET_ID, TENANT),
    ),
    Scenario(
        "kubelet-identity-of-old-cluster",
        "kubelet-identity-change-rejected",
        "az does not change the identity of a cluster whose own is system-assigned",
        _signed_in,
        prints=lambda world: SignedInAz(world).change_kubelet_identity(KUBELET),
    ),
    Scenario(
        "kubelet-identity-refused",
        "kubelet-identity-change-rejected",
        "AKS does not change the kubelet's identity",
        _user_assigned,
        prints=lambda world: SignedInAz(world).change_kubelet_identity(KUBELET),
    ),
)
