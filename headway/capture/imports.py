"""Patches a module once it is imported, if it ever is."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

Patch = Callable[[ModuleType], None]


class PatchingFinder(MetaPathFinder):
    """Finds modules as Python does, and patches those of a table as they are imported."""

    def __init__(self, patches: Mapping[str, Patch]) -> None:
        self._patches = dict(patches)

    def install(self) -> None:
        """Patch what is imported already, and from now on what is imported later."""
        for name in tuple(self._patches):
            if module := sys.modules.get(name):
                self._patch(module)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module of the table; None leaves others to other finders."""
        if fullname not in self._patches:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        loader: Any = spec and spec.loader
        if loader:
            execute = loader.exec_module

            def execute_and_patch(module: ModuleType) -> None:
                execute(module)
                self._patch(module)

            loader.exec_module = execute_and_patch
        return spec

    def _patch(self, module: ModuleType) -> None:
        """Patch a module, once; one of an unknown version stays as it is."""
        patch = self._patches.pop(module.__name__, None)
        try:
            if patch:
                patch(module)
        except Exception:
            logger.exception("The bars of %s are not captured", module.__name__)
