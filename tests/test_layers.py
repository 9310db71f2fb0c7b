"""A file of `app/` imports only from files above it; this order is also the order in which to read them."""

from __future__ import annotations

import ast
from pathlib import Path

APP = Path(__file__).resolve().parent.parent / "app"

LAYERS = [
    "masking",
    "redis_url",
    "origins",
    "proxies",
    "mailbox",
    "config",
    "values",
    "bars",
    "runs",
    "checks",
    "throttled",
    "snapshot",
    "error_text",
    "results",
    "context",
    "dependents",
    "encoded",
    "endings",
    "programs",
    "inherited",
    "connection",
    "sends",
    "restored",
    "records",
    "rights",
    "redis_checks",
    "startup",
    "messages",
    "backend",
    "transport",
    "delivery",
    "live_tasks",
    "consumer",
    "broker",
    "stopping",
    "keeper",
    "resume",
    "frames",
    "engine",
    "hearing",
    "fanout",
    "mail",
    "mail_checks",
    "doctor",
    "outage",
    "extensions",
    "access",
    "report",
    "progress",
    "tasks.kinds",
    "tasks.*",  # a file for each kind of work
    "tasks",
    "forms",
    "errors",
    "inbox",
    "api",
    "status",
    "routes",
    "events",
    "ops",
    "unsent",
    "",  # app/__init__.py knows everyone
]
SPEAK_REDIS = {"connection", "records", "redis_checks", "backend", "hearing"}
NAME_EVENTLET = {"config", "engine"}


def module_of(path: Path) -> str:
    parts = path.relative_to(APP).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layer_of(module: str) -> str:
    return "tasks.*" if module.startswith("tasks.") and module not in LAYERS else module


def imports_of(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it: `app.records` as "records"."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module or ""}
            if node.module in ("app", "app.tasks"):  # what is taken may be a module itself
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def files() -> dict[str, Path]:
    return {module_of(path): path for path in APP.rglob("*.py")}


def test_every_file_has_its_layer():
    assert {layer_of(module) for module in files()} == set(LAYERS)


def test_a_file_imports_only_from_files_above_it():
    known = files()
    for module, path in known.items():
        for name in imports_of(path):
            above = name.removeprefix("app.").removeprefix("app")
            if not name.startswith("app") or above not in known or (above == "" and module != ""):
                continue
            layers = LAYERS.index(layer_of(above)), LAYERS.index(layer_of(module))
            assert above == module or layers[0] < layers[1], f"{module} imports {name}"


def test_only_these_files_speak_redis():
    speakers = {module for module, path in files().items() if any(n.split(".")[0] == "redis" for n in imports_of(path))}

    assert speakers <= SPEAK_REDIS


def test_only_a_setting_and_the_engine_name_eventlet():
    names = {module for module, path in files().items() if "eventlet" in path.read_text()}

    assert names <= NAME_EVENTLET
