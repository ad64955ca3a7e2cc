"""A world with very many images, of few repositories, in twenty pods."""

from acrcheck.lab import faults, images
from acrcheck.lab.azure import Account
from acrcheck.lab.faults import Fault
from acrcheck.lab.machines import PullSecret
from acrcheck.lab.world import HOST, NAMESPACE, World

PODS = 20
USER, PASSWORD = "puller", "what-the-registry-has-generated"


def world(count: int, repositories: int) -> World:
    """Make it: a pull secret, and a container for each image."""
    secret = PullSecret(faults.PULL_SECRET, NAMESPACE, {HOST: {"username": USER, "password": PASSWORD}})
    return faults.Faulty(_images(count, repositories), faults.pull_secret(secret), faults.scale(PODS))()


def _images(count: int, repositories: int) -> Fault:
    def fault(made: World) -> None:
        made.registry.accounts.append(Account(USER, PASSWORD, ["pull", "metadata_read"]))
        containers = made.deployment["spec"]["template"]["spec"]["containers"]
        for number in range(count - 1):  # the workload has one already
            repository, tag = f"team/app-{number % (repositories - 1)}", str(number)
            images.push(made.registry, repository, tag)
            containers.append({"name": f"app-{number}", "image": f"{HOST}/{repository}:{tag}"})

    return fault
