"""The shell that applies printed commands to a lab world."""

import json

import pytest

from acrcheck.cluster.reader import AZURE_IDENTITIES, AZURE_IDENTITY_BINDINGS, NODES
from acrcheck.lab import faults, shell
from acrcheck.lab.shell import CommandError
from acrcheck.lab.world import CLIENT_ID, HOST, IDENTITY, NAMESPACE, OBJECT_ID, REGISTRY_ID, World, healthy

KUBECTL = "kubectl --context lab"
HELM = "helm --kube-context lab"
ACR = f"""$(az acr list --query "[?loginServer=='{HOST}'].id|[0]" -o tsv)"""
SET = "--set-string coderd.extraLabels.aadpodidbinding"


def labels(world: World) -> list[str | None]:
    """The label of each pod."""
    return [pod["metadata"]["labels"].get("aadpodidbinding") for pod in world.pods]


def test_a_patch_of_the_template_replaces_the_pods() -> None:
    """A merge patch by KIND/NAME; the pods that come carry the label."""
    world = faults.broken(healthy(helm=False), faults.relabel())
    patch = json.dumps({"spec": {"template": {"metadata": {"labels": {"aadpodidbinding": IDENTITY}}}}})
    told = shell.apply(world, f"{KUBECTL} -n coder patch deployment/coderd --type merge -p '{patch}'")
    assert told == "deployment.apps/coderd patched\n"
    assert labels(world) == [IDENTITY, IDENTITY]


def test_a_patch_of_an_identity() -> None:
    """The same by KIND and NAME."""
    world = healthy()
    patch = '{"spec":{"clientID":"x"}}'
    shell.apply(world, f"{KUBECTL} -n coder patch azureidentity {IDENTITY} --type merge -p '{patch}'")
    assert world.kubernetes.get(AZURE_IDENTITIES, IDENTITY, NAMESPACE)["spec"]["clientID"] == "x"


def test_apply_reads_standard_input() -> None:
    """One object or a list of them, from echo."""
    world = faults.broken(healthy(), faults.no_binding)
    item = {
        "apiVersion": "aadpodidentity.k8s.io/v1",
        "kind": "AzureIdentityBinding",
        "metadata": {"name": "b", "namespace": NAMESPACE},
        "spec": {"azureIdentity": IDENTITY, "selector": "s"},
    }
    told = shell.apply(world, f"echo '{json.dumps(item)}' | {KUBECTL} apply -f -")
    assert told == "azureidentitybinding.aadpodidentity.k8s.io/b created\n"
    again = json.dumps({"apiVersion": "v1", "kind": "List", "items": [item]})
    assert "configured" in shell.apply(world, f"echo '{again}' | {KUBECTL} apply -f -")
    assert world.kubernetes.get(AZURE_IDENTITY_BINDINGS, "b", NAMESPACE)["spec"]["selector"] == "s"


def test_rollout_restart_gives_new_pods() -> None:
    """Other names, and no old connection."""
    world = faults.broken(healthy(), faults.old_connections)
    before = {pod["metadata"]["name"] for pod in world.pods}
    shell.apply(world, f"{KUBECTL} -n coder rollout restart deployment/coderd")
    assert not before & {pod["metadata"]["name"] for pod in world.pods}
    assert world.old_connections == {}


def test_rollout_status_waits_for_the_rollout() -> None:
    """Pods that are older than the template are gone afterwards."""
    world = faults.broken(healthy(), faults.hold_rollout)
    shell.apply(world, f"{KUBECTL} -n coder rollout status deployment/coderd --timeout=10m")
    assert labels(world) == [IDENTITY, IDENTITY]
    assert world.deployment["status"]["updatedReplicas"] == 2


def test_cordon_and_delete() -> None:
    """Two commands joined by &&: the pod comes again on another node."""
    world = healthy()
    pod = next(pod for pod in world.pods if pod["spec"]["nodeName"] == faults.WORKER_NODE)
    command = (
        f"{KUBECTL} cordon {faults.WORKER_NODE} && {KUBECTL} -n coder delete pod {pod['metadata']['name']}"
    )
    shell.apply(world, command)
    assert world.kubernetes.get(NODES, faults.WORKER_NODE)["spec"]["unschedulable"]
    assert {pod["spec"]["nodeName"] for pod in world.pods} == {faults.SYSTEM_NODE}


def test_scale() -> None:
    """So many replicas as are named."""
    world = faults.broken(healthy(), faults.scale(0))
    shell.apply(world, f"{KUBECTL} -n coder scale deployment/coderd --replicas=1")
    assert len(world.pods) == 1


def test_helm_upgrade_of_the_deployed_version() -> None:
    """The value becomes a label of the template."""
    world = faults.broken(healthy(), faults.relabel())
    shell.apply(world, f"{HELM} upgrade coder coder/coder -n coder --reuse-values --version 1.44.3 {SET}=x")
    assert labels(world) == ["x", "x"]
    assert world.releases[0].values == {"coderd": {"extraLabels": {"aadpodidbinding": "x"}}}


def test_the_deployed_version_is_read_from_helm_list() -> None:
    """An assignment from a pipeline of helm and sed, put into the next command."""
    world = faults.broken(healthy(), faults.relabel())
    shell.apply(
        world,
        f"V=$({HELM} list -n coder --filter '^coder$' -o yaml | sed -n 's/^ *chart: coder-//p'); "
        f'{HELM} upgrade coder coder/coder -n coder --reuse-values --version "${{V:?none}}" {SET}=x',
    )
    assert labels(world) == ["x", "x"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            f"{HELM} upgrade coder coder/coder -n coder --reuse-values --version 1.44.4 {SET}=x",
            "another chart",
        ),
        (f"{HELM} upgrade coder coder/coder -n coder --version 1.44.3 {SET}=x", "drop the release's values"),
        (f"{HELM} upgrade coder coder/coder --reuse-values --version 1.44.3 {SET}=x", "no deployed releases"),
        (f"helm upgrade coder coder/coder -n coder --reuse-values --version 1.44.3 {SET}=x", "context"),
        ("kubectl -n coder rollout restart deployment/coderd", "context"),
        (f"{KUBECTL} -n coder rollout undo deployment/coderd", "rollout undo"),
        (f"{KUBECTL} -n coder patch deployment/coderd -p '{{}}'", "another type than merge"),
        (f"{KUBECTL} -n coder delete deployment/coderd", "anything but a pod"),
        (f"{KUBECTL} -n coder delete pod gone", '"gone" not found'),
        (f"{KUBECTL} -n coder get pods", "kubectl get"),
        ("terraform apply", "does not know this command: terraform apply"),
        ("az group delete -n coder", "az group delete"),
        ('X=$(echo); echo "${X:?nothing}"', "X: nothing"),
    ],
)
def test_what_is_not_understood_or_wrong_is_an_error(command: str, words: str) -> None:
    """The message names the command, or says what it would break."""
    with pytest.raises(CommandError, match="(?s).*" + words.replace("(", r"\(")):
        shell.apply(healthy(), command)


def test_a_role_is_given_and_counts_after_a_while() -> None:
    """The registry's id comes from one command, the role is given by the next, and takes effect in minutes."""
    world = healthy()
    world.azure.roles = []
    shell.apply(
        world,
        f"ID={ACR}; az role assignment create --assignee-object-id {OBJECT_ID} --assignee-principal-type "
        "ServicePrincipal --role 'Container Registry Repository Reader' --scope \"${ID:?registry not found}\"",
    )
    (role,) = world.azure.roles
    assert (role.role, role.scope) == ("Container Registry Repository Reader", REGISTRY_ID)
    assert not role.effective(world.clock.now())
    world.clock.sleep(600)
    assert role.effective(world.clock.now())


def test_a_registry_of_another_subscription_stops_the_command() -> None:
    """The empty id ends it: a role without a scope would be given on the whole subscription."""
    with pytest.raises(CommandError, match="registry not found"):
        shell.apply(
            healthy(),
            f"ID={ACR.replace(HOST, 'other.azurecr.io')}; az role assignment create --assignee-object-id x "
            '--role AcrPull --scope "${ID:?registry not found}"',
        )


def test_the_client_id_that_the_identity_has_now() -> None:
    """A variable from az inside of double quotes with escaped ones."""
    world = faults.broken(healthy(), faults.identity(clientID="wrong"))
    resource_id = world.azure.identities[0].resource_id
    shell.apply(
        world,
        f"ID=$(az identity show --ids '{resource_id}' --query clientId -o tsv); {KUBECTL} -n coder patch "
        f'azureidentity {IDENTITY} --type merge -p "{{\\"spec\\":{{\\"clientID\\":\\"${{ID:?none}}\\"}}}}"',
    )
    assert world.kubernetes.get(AZURE_IDENTITIES, IDENTITY, NAMESPACE)["spec"]["clientID"] == CLIENT_ID


def test_identities_of_scale_sets() -> None:
    """Assigned, removed, and refused when there is no such identity."""
    world = faults.broken(healthy(), faults.unassigned(*faults.POOLS))
    pool, resource_id = faults.POOLS[0], world.azure.identities[0].resource_id
    shell.apply(world, f"az vmss identity assign -g g -n {pool} --identities {resource_id}")
    assert world.azure.scale_set(pool).identities == [resource_id]
    shell.apply(world, f"az vmss identity remove -g g -n {pool} --identities {resource_id}")
    assert world.azure.scale_set(pool).identities == []
    with pytest.raises(CommandError, match="not found"):
        shell.apply(world, f"az vmss identity assign -g g -n {pool} --identities {resource_id}-gone")


def test_settings_of_a_registry() -> None:
    """Its firewall, and whether it takes tokens for ARM."""
    world = healthy()
    world.registry.arm_audience_enabled = False
    shell.apply(world, "az acr network-rule add --name labreg --ip-address 192.0.2.1")
    shell.apply(world, "az acr config authentication-as-arm update --registry labreg --status enabled")
    assert (world.registry.ip_rules, world.registry.arm_audience_enabled) == (["192.0.2.1"], True)
