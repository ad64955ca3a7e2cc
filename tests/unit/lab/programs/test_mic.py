"""MIC's log, and NMI's, in standard mode."""

import pytest

from acrcheck.cluster.reader import DEPLOYMENTS
from acrcheck.lab import faults
from acrcheck.lab.azure import RoleAssignment
from acrcheck.lab.programs import nmi
from acrcheck.lab.programs.mic import Mic, duration
from acrcheck.lab.world import GROUP, NODE_GROUP, SUBSCRIPTION, SYSTEM_POOL, World, healthy

NODES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}"
SCALE_SET = f"{NODES}/providers/Microsoft.Compute/virtualMachineScaleSets/{SYSTEM_POOL}"
KUBELET = "48f3a7c9-d5b2-4e16-a0d4-7c2e95b81f60"
UPDATE = (
    "compute.VirtualMachineScaleSetsClient#Update: Failure sending request: StatusCode=0 -- Original Error: "
)


EXPECTED = (
    "/subscriptions/<subid>/resourcegroups/<resourcegroup>/providers/Microsoft.ManagedIdentity"
    "/userAssignedIdentities/<name>"
)


def waiting(*roles: str) -> World:
    """One pod waits for its identity, and MIC has these roles on the nodes and on the identity's group."""
    world = healthy(mode="standard", replicas=1)
    for role in roles:
        scope = GROUP if role == "Managed Identity Operator" else NODES
        world.azure.roles.append(RoleAssignment(KUBELET, role, scope))
    for scale_set in world.azure.scale_sets:
        scale_set.identities.clear()
    world.mic = "stuck"
    faults.settle(world)
    return world


def of_version(world: World, tag: str) -> World:
    """The same with another MIC."""
    deployment = world.kubernetes.get(DEPLOYMENTS, "mic", "default")
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = f"mcr.microsoft.com/mic:{tag}"
    faults.settle(world)
    return world


def errors(world: World) -> list[str]:
    """The error lines of a round, without what stands before their text."""
    return [line.partition("] ")[2] for line in Mic(world).work().log if line.startswith("E")]


def test_with_its_roles_it_assigns() -> None:
    """No error, the event of the binding, and the identity on the scale set."""
    world = waiting("Virtual Machine Contributor", "Managed Identity Operator")

    mic = Mic(world).work()

    assert not [line for line in mic.log if line.startswith("E")]
    assert [event.reason for event in mic.events] == ["binding applied"]
    assert world.azure.identities[0].resource_id in world.azure.scale_set(SYSTEM_POOL).identities


def test_without_operator_role() -> None:
    """ARM names both actions, and MIC says it twice: of the scale set, and of the pod."""
    world = waiting("Virtual Machine Contributor")

    first, second = errors(world)

    refused = (
        f"{UPDATE}Code=\"LinkedAuthorizationFailed\" Message=\"The client '{KUBELET}' with object id '{KUBELET}' has "
        f"permission to perform action 'Microsoft.Compute/virtualMachineScaleSets/write' on scope '{SCALE_SET}'; "
        "however, it does not have permission to perform action "
        "'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) "
        f"'{world.azure.identities[0].resource_id}' or the linked scope(s) are invalid.\""
    )
    error = f"failed to update identities for {SYSTEM_POOL} in {NODE_GROUP}, error: {refused}"
    assert first == (
        f"failed to update user-assigned identities on node {SYSTEM_POOL} (add [1], del [0], update[0]), "
        f"error: {error}"
    )
    assert second == (
        f"failed to apply binding coder/coder-identity-binding node {SYSTEM_POOL}000000 for pod "
        f"coder/{world.pods[0]['metadata']['name']}, error: {error}"
    )


def test_without_reading_the_scale_set() -> None:
    """What go-autorest says of an answer differs from what it says of a request."""
    failed = f"failed to get vmss {SYSTEM_POOL} in resource group {NODE_GROUP}, error: "
    begin = (
        f"failed to get identity resource, error: {failed}{failed}compute.VirtualMachineScaleSetsClient#Get: "
    )
    assert (
        f"{begin}Failure responding to request: StatusCode=403 -- Original Error: autorest/azure: Service returned "
        'an error. Status=403 Code="AuthorizationFailed" Message="The client'
    ) in errors(waiting())[0]


@pytest.mark.parametrize("tag", ["v1.7.1", "v1.6.3"])
def test_the_status_of_an_update_was_shown_once(tag: str) -> None:
    """Until 1.8."""
    assert (
        "#Update: Failure sending request: StatusCode=403 --" in errors(of_version(waiting("Reader"), tag))[0]
    )


def test_a_throttled_update_quotes_the_resource_provider() -> None:
    """JSON within a message within Go's quotes."""
    world = waiting("Contributor", "Managed Identity Operator")
    for scale_set in world.azure.scale_sets:
        scale_set.throttled = True

    assert (
        "failed with error 'Failed to perform resource identity operation. Status: '429'. Response: "
        '\'{\\"error\\":{\\"code\\":\\"429\\",\\"message\\":\\"Request is temporarily throttled because resource '
    ) in errors(world)[0]


def test_a_deleted_identity_is_not_found() -> None:
    """Where MIC may use whatever lies in its group."""
    world = waiting("Contributor", "Managed Identity Operator")
    world.azure.identities[0].deleted = True

    name = world.azure.identities[0].resource_id
    assert (
        'Status: \'BadRequest\'. Response: \'{\\"error\\":{\\"code\\":\\"BadRequest\\",' in errors(world)[0]
    )
    assert f"Resource '{name}' was not found." in errors(world)[0]


def test_an_old_mic_rewrites_the_scale_set() -> None:
    """And touches an image of another tenant."""
    world = of_version(waiting("Contributor", "Managed Identity Operator"), "v1.5.5")

    line, _ = errors(world)

    assert line.startswith(
        "compute.VirtualMachineScaleSetsClient#CreateOrUpdate: Failure sending request: StatusCode=403"
    )
    assert "is not authorized to access linked subscription" in line


def test_a_very_old_mic_looks_for_machines() -> None:
    """It has no line of its own about them."""
    line, again = errors(of_version(waiting("Contributor"), "1.2"))

    assert line == again
    assert (
        f"The Resource 'Microsoft.Compute/virtualMachines/{SYSTEM_POOL}000000' under resource group" in line
    )


def test_a_slow_answer_is_counted() -> None:
    """As Go prints a duration."""
    world = waiting("Contributor", "Managed Identity Operator")
    for scale_set in world.azure.scale_sets:
        scale_set.seconds = 503.5

    lines = [line.partition("] ")[2] for line in Mic(world).work().log]

    assert {"Cloud provider GET: 8m23.5s", "Cloud provider PATCH: 8m23.5s", "Total: 16m47s"} <= set(lines)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (1.5, "1.5s"), (60, "1m0s"), (1007.588432053, "16m47.588432053s"), (3661, "1h1m1s")],
)
def test_durations(seconds: float, text: str) -> None:
    """Those of Go's time.Duration.String."""
    assert duration(seconds) == text


def test_nmi_writes_down_a_caller_who_went_away() -> None:
    """As a 404 that took as long as the caller waited."""
    world = waiting()
    pod = world.pods[0]

    first, second = nmi.log(world, pod, 30.0, "https://management.azure.com/").splitlines()

    name = f"coder/{pod['metadata']['name']}"
    assert first.endswith(f"failed to get matching identities for pod: {name}, error: context canceled")
    assert second.partition("] ")[2] == (
        "status (404) took 30000000000 ns for req.method=GET reg.path=/metadata/identity/oauth2/token "
        f"req.remote={pod['status']['podIP']}"
    )


def test_nmi_writes_down_what_imds_refused() -> None:
    """With the words that it gave its caller."""
    world = healthy()
    faults.unassigned(*faults.POOLS)(world)

    text = nmi.log(world, world.pods[0], 30.0, "https://management.azure.com/")

    assert "failed to get service principal token for pod: coder/" in text
    assert "error: adal: Refresh request failed. Status Code = '400'. Response body: " in text
    assert "status (403) took " in text


def test_mic_says_what_it_leaves_out() -> None:
    """An identity without a whole resource id, and then every binding that names it."""
    world = healthy(mode="standard", replicas=1)
    faults.identity(resourceID="")(world)

    lines = [line.partition("] ")[2] for line in Mic(world).work().log]

    assert lines == [
        f'ignoring azure identity coder/coder-identity, error: invalid resource id: "", must match {EXPECTED}',
        "coder-identity identity not found when using coder/coder-identity-binding binding",
    ]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("", "doesn't contain aadpodidbinding label field. it will be ignored"),
        ("other", "that matches selector: other. it will be ignored"),
    ],
)
def test_mic_says_which_pods_it_leaves_out(label: str, said: str) -> None:
    """Those whose label is empty, and those whose label no binding has."""
    world = healthy(mode="standard", replicas=1)
    faults.relabel(value=label)(world)

    (line,) = Mic(world).work().log

    assert f"pod coder/{world.pods[0]['metadata']['name']} " in line
    assert line.endswith(said)


def test_nmi_writes_down_an_exception() -> None:
    """Twice: that it handles the pod, and what came of it."""
    world = healthy()
    faults.excepted(world)

    first, second, _ = nmi.log(world, world.pods[0], 30.0, "https://management.azure.com/").splitlines()

    name = f"coder/{world.pods[0]['metadata']['name']}"
    assert first.endswith(f"exception pod {name} token handling")
    assert (
        f"failed to get service principal token for pod:{name} with error code 403, error: failed to get"
        in second
    )
