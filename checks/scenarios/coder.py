"""Coder's own API: its switch, its registry entry and its images, and what keeps it from being asked."""

from datetime import timedelta

from acrcheck.lab import faults
from acrcheck.lab.faults import alone
from acrcheck.lab.scenario import Scenario
from acrcheck.lab.waiting import kubelet_may_pull, workspace_pulls
from acrcheck.lab.world import HOST

from .waiting import UNKNOWN_TAG, Waiting

IN_CODER = "it is mended in Coder's own interface, by a site manager"
STALE = timedelta(hours=9)

SCENARIOS = (
    Scenario(
        "coder-api", "", "all is well, and Coder's own API says so", alone(faults.coder_api()), exit_code=0
    ),
    Scenario(
        "coder-workspaces",
        "",
        "the registry is found by a workspace that runs, pulled with the node's identity",
        alone(faults.workspace(), faults.coder_api(), faults.no_image_named),
        exit_code=0,
    ),
    Scenario(
        "coder-v2",
        "",
        "Coder v2, whose registries belong to the templates, with its own API",
        alone(
            faults.coder_v2,
            faults.coder_api(generation="v2", version="v2.20.0+0a1b2c3", roles=("owner",)),
            faults.workspace(),
        ),
        exit_code=0,
    ),
    Scenario(
        "coder-flag-off",
        "coder-flag-off",
        "somebody has switched Azure registry authentication off",
        alone(faults.coder_api(), faults.switched_off),
        unmended=IN_CODER,
    ),
    Scenario(
        "coder-flag-unknown",
        "coder-flag-off",
        "the switch is off, and the audit log does not go back so far",
        alone(faults.coder_api(audit=[], refreshed=STALE)),
        among=("coder-tags-stale",),
        unmended=IN_CODER,
    ),
    Scenario(
        "coder-tags-stale",
        "coder-tags-stale",
        "Coder has stopped looking up tags, though its pods are let in and the switch is on",
        alone(faults.coder_api(refreshed=STALE)),
        unmended=IN_CODER,
    ),
    Scenario(
        "coder-registry-missing",
        "coder-registry-missing",
        "Coder has no entry for the registry",
        alone(faults.coder_api(registries={"docker.io": "Docker Hub"})),
        unmended=IN_CODER,
    ),
    Scenario(
        "coder-registry-wrong-host",
        "coder-registry-wrong-host",
        "Coder's entry is for the registry's short name",
        alone(faults.coder_api(registries={HOST.partition(".")[0]: "acr"})),
        unmended=IN_CODER,
    ),
    Scenario(
        "coder-registry-with-scheme",
        "coder-registry-wrong-host",
        "Coder's entry is for an address in place of a host",
        alone(faults.coder_api(registries={f"https://{HOST}": "acr"})),
        unmended=IN_CODER,
    ),
    Scenario(
        "coder-static-credentials",
        "coder-static-credentials",
        "workspaces pull with static credentials, the control plane has a pod identity",
        alone(faults.workspace(static=True), faults.coder_api()),
        unmended=IN_CODER,
        exit_code=0,
    ),
    Scenario(
        "workspace-tag-not-found",
        "tag-not-found",
        "a workspace waits for a tag that is not there",
        Waiting(faults.workspace(image=UNKNOWN_TAG), kubelet_may_pull, workspace_pulls),
        among=("image-not-found",),
        unmended="the image is the registry owner's",
    ),
    Scenario(
        "coder-token-expired",
        "coder-token-refused",
        "the session token has expired",
        alone(faults.coder_api(), faults.session_token("lab-CoderSession-0ld5e1d27c9f83b4")),
        unmended="only a good token is one",
        exit_code=3,
    ),
    Scenario(
        "coder-role-too-low",
        "coder-role-too-low",
        "the session token is a member's",
        alone(faults.coder_api(roles=("site-member",))),
        unmended="somebody who may see more has to make a token",
        exit_code=0,
    ),
    Scenario(
        "coder-url-is-v2",
        "coder-url-of-other-coder",
        "the address is that of Coder v2, the workload is v1",
        alone(faults.coder_api(generation="v2", version="v2.20.0+0a1b2c3")),
        unmended="only the right address is one",
        exit_code=3,
    ),
    Scenario(
        "coder-login-page",
        "coder-url-login-page",
        "an authenticating proxy stands before Coder",
        alone(faults.coder_api(), faults.login_before_coder),
        unmended="whoever asks has to go past the proxy",
        exit_code=3,
    ),
    Scenario(
        "coder-self-signed",
        "coder-url-untrusted",
        "Coder's certificate is self-signed",
        alone(faults.coder_api(), faults.self_signed_coder),
        unmended="the authority's certificate has to be given",
        exit_code=3,
    ),
)
