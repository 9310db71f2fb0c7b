"""Hatchling's build hook, which refuses a wheel or an sdist without the browser's bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CustomBuildHook(BuildHookInterface):
    """Checks that `make bundle` has been run; an editable install needs no bundles."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Check the files that pyproject.toml names. Raises FileNotFoundError if one is missing."""
        if version == "editable":
            return
        bundles = self.build_config.build_config["artifacts"]
        missing = [name for name in bundles if not Path(self.root, name).exists()]
        if missing:
            raise FileNotFoundError(
                f"{', '.join(missing)} missing: build them with make bundle, or the wheel with "
                "make wheel"
            )
