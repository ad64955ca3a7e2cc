"""NMI's log of one request for a token.

Sources: aad-pod-identity pkg/nmi/server/server.go and pkg/nmi/standard.go (1.8.17). The numbers of lines are those of
the log in Azure/aad-pod-identity#789 on GitHub.
"""

from http import HTTPStatus

from acrcheck.lab.kube import Json
from acrcheck.lab.path import StoppedError
from acrcheck.lab.programs.klog import header
from acrcheck.lab.programs.workload import Program
from acrcheck.lab.world import World

NANOSECONDS = 1_000_000_000
EXCEPTED = "failed to get service principal token, error: "
"""What begins an answer for a pod that an AzurePodIdentityException covers, and for no other."""


def log(world: World, pod: Json, seconds: float, resource: str, **more: str) -> str:
    """What NMI writes when a pod asks it for a token and waits so long.

    A caller that goes away cancels the wait, and NMI writes that down as an answer.
    """
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    began = world.clock.monotonic()
    try:
        response = Program(world, pod).metadata(resource, "2018-02-01", seconds, **more)
    except StoppedError:
        status, said = HTTPStatus.NOT_FOUND.value, "context canceled"
    else:
        status, said = response.status_code, response.text.rstrip("\n")
    took = int((world.clock.monotonic() - began) * NANOSECONDS)
    now = world.clock.now()
    lines = []
    if said.startswith(EXCEPTED):
        lines.append(f"{header('I', now, 'server.go:343', 1)}exception pod {name} token handling")
        problem = (
            f"failed to get service principal token for pod:{name} with error code {status}, error: {said}"
        )
        lines.append(f"{header('E', now, 'server.go:346', 1)}{problem}")
    elif status == HTTPStatus.NOT_FOUND:
        problem = f"failed to get matching identities for pod: {name}, error: {said}"
        lines.append(f"{header('E', now, 'server.go:369', 1)}{problem}")
    elif status >= HTTPStatus.BAD_REQUEST:
        problem = f"failed to get service principal token for pod: {name}, error: {said}"
        lines.append(f"{header('E', now, 'server.go:392', 1)}{problem}")
    served = (
        f"status ({status}) took {took} ns for req.method=GET reg.path=/metadata/identity/oauth2/token "
        f"req.remote={pod['status']['podIP']}"
    )
    lines.append(f"{header('I', now, 'server.go:190', 1)}{served}")
    return "".join(f"{line}\n" for line in lines)
