"""Puts the top-level `checks/` folder into the wheel as `acrcheck/_checks`."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleChecks(BuildHookInterface):  # type: ignore[type-arg]
    """Bundles the knowledge; an editable install reads it in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to a standard wheel only, so that an editable install keeps no stale copy."""
        if version == "standard":
            build_data["force_include"]["checks"] = "acrcheck/_checks"
