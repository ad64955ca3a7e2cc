"""What is being checked, and with whose leave: the inputs of a run after flags, environment and file."""

import re
from dataclasses import field
from typing import Any

from acrcheck.azure.clouds import CLOUDS
from acrcheck.azure.identity import CLIENT_ID, RESOURCE_ID, RESOURCE_ID_FORM
from acrcheck.azure.image import ImageReferenceError, is_host, parse_image
from acrcheck.coder import address_problem
from acrcheck.errors import UsageError
from acrcheck.helm.values import ValuesFiles
from acrcheck.late import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The inputs of a run. Empty means: not said, to be discovered."""

    namespace: str = ""
    workload: str = ""
    """`kind/name`, as kubectl takes it."""
    registry: str = ""
    image: str = ""
    identity_client_id: str = ""
    identity_resource_id: str = ""
    cloud: str = ""
    allow: frozenset[str] = frozenset()
    """What may be created: `debug-container`, `probe-pod`."""
    probe_image: str = ""
    context: str = ""
    """The kubeconfig's context, empty in a cluster."""
    context_namespace: str = ""
    kubeconfig: str = ""
    """The kubeconfig's path when it is not the default one: printed commands name it."""
    own_pod: str = ""
    """`namespace/name` when acrcheck itself runs in a pod of the cluster."""
    vantage: str = ""
    """From which kind of place the registry is asked: `exec`, `debug`, `pod` or `local`; empty for the first that
    has the programs for it."""
    node: str = ""
    """The node of the short-lived pod, where it is not to be that of a pod of the workload."""
    full: bool = False
    """Download layers whole and verify their digests. Only from here: from inside a pod it would fill memory."""
    credential: dict[str, Any] = field(default_factory=dict)
    """A credential to try, as `acrcheck.cluster.pullsecret.credential` gives it; empty for none."""
    coder_url: str = ""
    """Where Coder's own API is; empty when it is not to be asked."""
    coder_token: str = ""
    """The handle of a session token for it."""
    values: ValuesFiles | None = None
    """Values of Coder's chart to look at."""
    release: str = ""
    """The Helm release whose values are to be looked at, whatever workload there is."""

    upgrade: bool = False
    """True where it is to be known whether an upgrade may be begun."""
    to_chart: str = ""
    """The version of the chart that is to be installed."""
    to_image: str = ""
    """The image that the workload is to run."""
    database_snapshot: str = ""
    """By what its owner calls it: the snapshot of the database that a way back would begin with."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """The numbers that checks measure by, as `Checks.thresholds` names them; times in seconds."""

    @property
    def kubectl(self) -> str:
        """The kubectl command that acts where this run looked."""
        words = ["kubectl"]
        if self.kubeconfig:
            words += ["--kubeconfig", self.kubeconfig]
        if self.context:
            words += ["--context", self.context]
        return _quoted(words)

    @property
    def helm(self) -> str:
        """The helm command that acts where this run looked."""
        words = ["helm"]
        if self.kubeconfig:
            words += ["--kubeconfig", self.kubeconfig]
        if self.context:
            words += ["--kube-context", self.context]
        return _quoted(words)

    def refuse_malformed(self) -> None:
        """Raise UsageError for an image, a registry or an identity that cannot be one, or two that contradict."""
        self._refuse_vantage()
        self._refuse_upgrade()
        self._refuse_coder()
        image = _host(self.image)
        if self.registry and not is_host(self.registry):
            raise UsageError(
                f"{self.registry} is no registry's host",
                input=self.registry,
                expected=f"NAME.{CLOUDS[0].registry_suffix} or another host, without scheme or path",
                remedy="az acr list --query '[].loginServer' -o tsv",
            )
        if self.registry and image and self.registry != image:
            raise UsageError(
                f"the image is at {image}, and the registry to check is {self.registry}",
                input=f"--registry {self.registry} --image {self.image}",
                expected="an image of that registry, or one of the two options alone",
            )
        for kind, said, form, expected in (
            ("client", self.identity_client_id, CLIENT_ID, "a GUID"),
            ("resource", self.identity_resource_id, RESOURCE_ID, RESOURCE_ID_FORM),
        ):
            if said and not form.fullmatch(said):
                raise UsageError(
                    f"{said} is no {kind} id of a managed identity",
                    input=said,
                    expected=expected,
                    remedy="az identity list -o table --query '[].{client:clientId,resource:id}'",
                )

    def _refuse_vantage(self) -> None:
        """Raise UsageError for a place that nothing can be asked from, by what else was said."""
        leave = {"debug": "debug-container", "pod": "probe-pod"}.get(self.vantage, "")
        if leave and leave not in self.allow:
            raise UsageError(
                f"without leave no {leave.replace('-', ' ')} is created to ask from",
                input=f"--vantage {leave}",
                expected=f"--allow {leave} beside it",
            )
        if self.node and self.vantage != "pod":
            raise UsageError(
                "only a throw-away pod can be on a node of your choice",
                input=f"--node {self.node}",
                expected="--vantage probe-pod --allow probe-pod beside it",
            )
        if self.full and self.vantage not in {"", "local"}:
            raise UsageError(
                "layers are downloaded whole to here only: in a pod they would fill its memory",
                input="--full with another --vantage",
                expected="--full --vantage here",
            )

    def _refuse_coder(self) -> None:
        problem = address_problem(self.coder_url, token=bool(self.coder_token)) if self.coder_url else ""
        if problem:
            raise UsageError(
                f"{self.coder_url} is no address of a Coder deployment: {problem}",
                input=f"--coder-url {self.coder_url}",
                expected="https://HOST, as in the browser's address bar up to the host",
            )

    def _refuse_upgrade(self) -> None:
        """Raise UsageError for a chart or an image to upgrade to that cannot be one."""
        _host(self.to_image)
        if self.to_chart and not re.fullmatch(r"v?\d+\.\d+\.\d+([-+].*)?", self.to_chart):
            raise UsageError(
                f"{self.to_chart} is no version of a chart",
                input=f"--to-chart {self.to_chart}",
                expected="one like 1.44.3",
                remedy="helm search repo coder --versions",
            )


def _host(image: str) -> str:
    """Give an image's host; empty for no image. Raises UsageError for what is none."""
    if not image:
        return ""
    try:
        return parse_image(image).host
    except ImageReferenceError as error:
        raise UsageError(
            f"not an image reference: {error}",
            input=image,
            expected="HOST/REPOSITORY:TAG or HOST/REPOSITORY@DIGEST, as in NAME.azurecr.io/coder/envbox:1.44",
        ) from error


def _quoted(words: list[str]) -> str:
    import shlex

    return shlex.join(words)
