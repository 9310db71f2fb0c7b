"""Hatchling's hook: a wheel or an sdist without the browser's bundle is not built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = Path("headway", "static", "headway.js")


class CustomBuildHook(BuildHookInterface):
    """Looks for what `make bundle` has built; an editable install goes without it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise where the bundle is missing."""
        if version != "editable" and not Path(self.root, BUNDLE).exists():
            raise FileNotFoundError(
                f"{BUNDLE} is missing: build it with make bundle, or the wheel with make wheel"
            )
