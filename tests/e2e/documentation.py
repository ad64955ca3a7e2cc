"""The documentation's page on Azure Container Registry, instruction by instruction, and what proves each.

Source: coder/docs, admin/registries/azure.md. The order is the page's.
"""

from dataclasses import dataclass

from tabulate import tabulate

IN_UI = "it is seen in Coder only"


@dataclass(frozen=True)
class Instruction:
    """What the page makes people do. `proofs` are checks, each with a scenario in which it fails."""

    text: str
    proofs: tuple[tuple[str, str], ...] = ()
    by_hand: str = ""
    """Why no check proves it, and where to look."""


PAGE = (
    Instruction(
        "static credentials: the registry's admin account", (("registry-scope", "pull-secret-admin-off"),)
    ),
    Instruction(
        "static credentials: a service principal", (("registry-scope", "pull-secret-principal-secret-old"),)
    ),
    Instruction(
        "static credentials: one's own identity (`az acr login`)",
        (("pull-secrets", "pull-secret-of-yesterday"),),
    ),
    Instruction(
        "static credentials: a repository-scoped token", (("registry-scope", "pull-secret-without-pull"),)
    ),
    Instruction(
        "enable the feature flag (alpha)",
        by_hand=f"{IN_UI}: *Manage > Admin > Infrastructure > Azure Registry Authentication* "
        "(since 1.31 *Azure Container Registry authentication*)",
    ),
    Instruction(
        "create the role assignments", (("registry-exchange", "no-role"), ("token", "identity-on-no-pool"))
    ),
    Instruction(
        "install AAD Pod Identity",
        (("crds", "crds-missing"), ("nmi", "nmi-absent"), ("mic", "mic-absent")),
    ),
    Instruction("configure an Azure Identity Binding", (("binding", "binding-missing"),)),
    Instruction("label all pods of `coderd`", (("label-pods", "label-on-some-pods"),)),
    Instruction("`az login --identity` in a pod with the label", (("login", "arm-refuses"),)),
    Instruction("its output names the identity", (("token-identity", "redirect-missing"),)),
    Instruction("ask IMDS for a token inside `coderd`, with curl", (("token", "imds-stopped"),)),
    Instruction('"Identity not found": restart `coderd`', (("application", "old-connection"),)),
    Instruction(
        "the official troubleshooting page: the node's redirect, the case of fields, MIC's roles, network policies",
        (
            ("token", "redirect-missing"),
            ("azure-identity", "resource-id-malformed"),
            ("assigned-identity", "not-assigned"),
            ("token", "imds-blocked"),
        ),
    ),
    Instruction(
        "set the label in `values.yaml`",
        (("label-template", "label-missing"), ("upgrade-label", "upgrade-loses-label")),
    ),
    Instruction(
        "`helm upgrade`", (("upgrade-steps", "upgrade-two-minors"), ("label-pods", "label-on-some-pods"))
    ),
    Instruction(
        "add the registry: its name and its address",
        by_hand=f"{IN_UI}, in the list of registries; the address is the image's host, without `https://`",
    ),
    Instruction(
        "add the registry: its kind, with a user name and password or without",
        by_hand=f"{IN_UI}; `acrcheck creds` says beforehand whether a password is good",
    ),
    Instruction(
        "import the image",
        (("registry-manifest", "tag-missing"), ("pod-images", "waits-for-missing-tag")),
    ),
)


def table() -> str:
    """Write the page as a table, each check linked to its page of the handbook."""
    rows = [(item.text, _proof(item)) for item in PAGE]
    return tabulate(rows, headers=("what the documentation says", "what proves it"), tablefmt="github") + "\n"


def _proof(item: Instruction) -> str:
    checks = dict.fromkeys(check for check, _ in item.proofs)
    links = ", ".join(f"[`{check}`](docs/checks/{check}.md)" for check in checks)
    return ". ".join(part for part in (links, f"*by hand*: {item.by_hand}" if item.by_hand else "") if part)
