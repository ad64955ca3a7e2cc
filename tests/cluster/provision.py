"""Installs and builds what the test cluster is made of, once a machine; the results stay in the cache folder."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click

from tests.cluster import images, pki
from tests.cluster.layout import (
    AZ,
    DEBIAN,
    HELM,
    HERE,
    KUBERNETES,
    az_environment,
    cache,
    support_bundle,
)

PACKAGES = {
    "etcd-server": "/usr/bin/etcd",
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "dnsmasq-base": "/usr/sbin/dnsmasq",
    "docker-registry": "/usr/bin/docker-registry",
    "debootstrap": "/usr/sbin/debootstrap",
    "busybox-static": "/bin/busybox",
    "iptables": "/usr/sbin/iptables",
    "iproute2": "/usr/sbin/ip",
    "conntrack": "/usr/sbin/conntrack",
    "ca-certificates": "/etc/ssl/certs/ca-certificates.crt",
    "python3-venv": "/usr/share/doc/python3-venv",
}
"""Debian's packages, each with a file that shows that it is installed."""

KUBERNETES_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
POLICY = Path("/usr/sbin/policy-rc.d")
LIMIT = 1800  # seconds that any one step may take
SPARE_LIMIT = 600  # and one that the tests can do without


class ProvisionError(Exception):
    """A step failed; the message has the end of its output."""


def provision() -> None:
    """Install and build whatever is missing, two things at a time, and say so on standard error.

    Raises:
        ProvisionError: a step failed.
    """
    folder = cache()
    (folder / "log").mkdir(parents=True, exist_ok=True)
    with _locked(folder / "lock"):
        _install_packages()
        pki.ensure_azure_authority(folder)
        with ThreadPoolExecutor(2) as pool:
            steps = [pool.submit(_build_go), pool.submit(_download)]
            for step in steps:
                step.result()
        _once("images", images.built(), images.build)


def _build_go() -> None:
    _once("kubernetes", cache() / f"kube-{KUBERNETES}", _build_kubernetes)
    _once("helm", cache() / f"helm-{HELM}", _build_helm)
    _once("go-images", images.programs(), _build_image_programs)
    _once_if_possible("support-bundle", support_bundle().parent, _build_support_bundle)


def _download() -> None:
    _once("rootfs", images.rootfs("curl"), lambda part: _debootstrap(part, "curl,ca-certificates"))
    _once(
        "rootfs-python",
        images.rootfs("python"),
        lambda part: _debootstrap(part, "curl,ca-certificates,python3"),
    )
    _once("az", az_environment(), _install_az)


def _once(name: str, result: Path, make: Callable[[Path], None]) -> None:
    """Make a folder beside its place and move it there when it is complete."""
    if result.exists():
        return
    started = time.monotonic()
    _say(f"{name}: making {result.name}")
    part = result.with_name(result.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    make(part)
    part.rename(result)
    _say(f"{name}: done in {time.monotonic() - started:.0f} s")


def _once_if_possible(name: str, result: Path, make: Callable[[Path], None]) -> None:
    """Make what the tests can do without; those that need it are skipped when it cannot be made."""
    try:
        _once(name, result, make)
    except (ProvisionError, subprocess.TimeoutExpired) as error:
        _say(f"{name}: left out, it could not be made: {error}")


def _install_packages() -> None:
    missing = [package for package, file in PACKAGES.items() if not Path(file).exists()]
    if not missing:
        return
    _say(f"debian: installing {' '.join(missing)}")
    # Debian starts what it installs; this file is how one tells it not to.
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        _run("apt", ["apt-get", "update"], quiet)
        _run("apt", ["apt-get", "install", "-y", "--no-install-recommends", *missing], quiet)
    finally:
        if ours:
            POLICY.unlink()


def _build_kubernetes(part: Path) -> None:
    major, minor, _ = KUBERNETES.split(".")
    version = "k8s.io/component-base/version"
    flags = f"-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    commands = [f"k8s.io/kubernetes/cmd/{command}" for command in KUBERNETES_COMMANDS]
    _go("kubernetes", ["build", "-trimpath", "-o", f"{part}/", "-ldflags", flags, *commands], HERE / "kube")


def _build_helm(part: Path) -> None:
    flags = f"-s -w -X helm.sh/helm/v3/internal/version.version=v{HELM}"
    install = ["install", "-trimpath", "-ldflags", flags, f"helm.sh/helm/v3/cmd/helm@v{HELM}"]
    _go("helm", install, cache(), {"GOBIN": str(part)})


def _build_support_bundle(part: Path) -> None:
    command = "github.com/replicatedhq/troubleshoot/cmd/troubleshoot"
    build = ["build", "-trimpath", "-o", f"{part}/", "-ldflags", "-s -w", command]
    _go("support-bundle", build, HERE / "troubleshoot", limit=SPARE_LIMIT)


def _build_image_programs(part: Path) -> None:
    _go("go-images", ["build", "-trimpath", "-o", f"{part}/", "-ldflags", "-s -w", "./..."], images.SOURCE)


def _go(
    name: str,
    arguments: list[str],
    folder: Path,
    environment: dict[str, str] | None = None,
    limit: float = LIMIT,
) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/local/go/bin"
    go = shutil.which("go", path=path)
    if go is None:
        raise ProvisionError(
            "Go is needed to build Kubernetes, and there is no go in PATH or /usr/local/go/bin"
        )
    command = ["nice", "-n", "5", go, *arguments]
    _run(name, command, {"CGO_ENABLED": "0", **(environment or {})}, folder, limit)


def _debootstrap(part: Path, packages: str) -> None:
    _run(
        "debootstrap-" + part.name,
        ["debootstrap", "--variant=minbase", f"--include={packages}", DEBIAN, str(part)],
    )


def _install_az(part: Path) -> None:
    # Debian's own Python, because the environment is used inside a pod with Debian's Python.
    _run("az", ["/usr/bin/python3", "-m", "venv", str(part)])
    _run("az", [str(part / "bin" / "python"), "-m", "pip", "install", f"azure-cli=={AZ}"])


def _run(
    name: str,
    command: list[str],
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
    limit: float = LIMIT,
) -> None:
    log = cache() / "log" / f"{name}.log"
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            timeout=limit,
            check=False,
        )
    if done.returncode != 0:
        end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise ProvisionError(f"{' '.join(command)} ended with {done.returncode}:\n{end}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One provisioning at a time on a machine."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(message: str) -> None:
    click.echo(f"[provision] {message}", err=True)
