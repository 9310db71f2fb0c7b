"""Hatchling's build hook, which refuses a wheel or an sdist without the browser's bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = Path("headway", "static", "headway.js")


class CustomBuildHook(BuildHookInterface):
    """Checks that `make bundle` has been run; an editable install needs no bundle."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Check the bundle. Raises FileNotFoundError if it is missing."""
        if version != "editable" and not Path(self.root, BUNDLE).exists():
            raise FileNotFoundError(
                f"{BUNDLE} is missing: build it with make bundle, or the wheel with make wheel"
            )
