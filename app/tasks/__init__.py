"""The tasks of this application, a file for each kind; importing this registers all of them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

for file in iter_modules(__path__):
    import_module(f"{__name__}.{file.name}")
