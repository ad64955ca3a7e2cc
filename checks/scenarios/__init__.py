"""Worlds with faults, each naming the cause it must lead to."""

ORDER = (
    "healthy",
    "story",
    "label",
    "kinds",
    "binding",
    "nmi",
    "identity",
    "metadata",
    "registry",
    "lookalikes",
    "image",
    "pull_secrets",
    "waiting",
    "operator",
    "federation",
    "principals",
    "mic",
    "pulls",
    "clients",
    "events",
)
