"""The virtual kubelet of a virtual node, which has Azure Container Instances pull the image.

It hands over the credentials of pull secrets and no other; ACI asks the registry itself.
Sources: virtual-kubelet/virtual-kubelet node/pod.go (reason ProviderCreateFailed); virtual-kubelet/azure-aci and
virtual-kubelet#411 on GitHub for the words; learn.microsoft.com container-instances-troubleshooting.
"""

from acrcheck.lab.programs import go, reference
from acrcheck.lab.programs.containerd import basic
from acrcheck.lab.programs.kubectl import Event, events
from acrcheck.lab.world import NODE_GROUP, SUBSCRIPTION, World

GROUP = "coder-envbox-0"


def create(world: World, image: str, user: str = "", password: str = "") -> str:
    """Create a pod, with the credential of its pull secret if it has one: the events."""
    named = reference.parse(image)
    url = f"https://{named.host}/oauth2/token?service={named.host}&scope=repository:{named.repository}:pull"
    headers = {"Authorization": basic(user, password)} if user else {}
    if go.Client(world, go.at_workstation(world)).send("GET", url, headers).is_success:
        return events([Event("Normal", "ProviderCreateSuccess", "Create pod in provider successfully")])
    container_group = (
        f"https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourceGroups/{NODE_GROUP}"
        f"/providers/Microsoft.ContainerInstance/containerGroups/{GROUP}?api-version=2021-07-01"
    )
    said = (
        f"The image '{image}' in container group '{GROUP}' is not accessible. "
        "Please check the image and registry credential."
    )
    answered = 'got HTTP response status code 400 error code "InaccessibleImage"'
    failed = f"api call to {container_group}: {answered}: {said}"
    source = "virtual-node-aci-linux/pod-controller"
    return events([Event("Warning", "ProviderCreateFailed", failed, source=source)])
