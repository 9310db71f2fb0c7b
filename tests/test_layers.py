"""A file imports only from files above it; this order is also the order in which to read them."""

from __future__ import annotations

import ast
import runpy
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LAYERS = [
    "headway.exceptions",
    "headway.strict_json",
    "headway.patching",
    "headway.settings",
    "headway.tokens",
    "headway.credentials",
    "headway.masking",
    "headway.weak_secrets",
    "headway.tcp",
    "headway.throttled",
    "headway.early_responses",
    "headway.values",
    "headway.json_values",
    "headway.files",
    "headway.files.upload",
    "headway.display",
    "headway.display.formats",
    "headway.display.languages",
    "headway.arguments",
    "headway.arguments.annotations",
    "headway.arguments.json_schema",
    "headway.arguments.scalars",
    "headway.arguments.typed",
    "headway.questions",
    "headway.shapes",
    "headway.bars",
    "headway.files.types",
    "headway.typed_results",
    "headway.snapshot",
    "headway.state_fields",
    "headway.display.labels",
    "headway.files.store",
    "headway.files.folder",
    "headway.files.bucket",
    "headway.files.bucket.address",
    "headway.files.bucket.objects",
    "headway.files.bucket.reading",
    "headway.files.bucket.growing",
    "headway.files.bucket.parts",
    "headway.files.bucket.whole",
    "headway.files.bucket.files",
    "headway.display.parts",
    "headway.display.tables",
    "headway.display.times",
    "headway.display.words",
    "headway.display.action_words",
    "headway.display.order",
    "headway.message_headers",
    "headway.turns",
    "headway.webpush",
    "headway.webpush.subscriptions",
    "headway.webpush.encryption",
    "headway.webpush.keys",
    "headway.webpush.settings",
    "headway.webpush.messages",
    "headway.webpush.delivery",
    "headway.store",
    "headway.store.checks",
    "headway.store.names",
    "headway.store.redis_url",
    "headway.store.errors",
    "headway.store.free_connections",
    "headway.store.connection",
    "headway.store.restored",
    "headway.store.keys",
    "headway.store.model",
    "headway.store.damaged",
    "headway.store.functions",
    "headway.store.messages",
    "headway.store.clock",
    "headway.store.starts",
    "headway.store.results",
    "headway.store.history",
    "headway.store.files",
    "headway.store.upload_parts",
    "headway.store.uploads",
    "headway.store.outbox",
    "headway.store.staging",
    "headway.store.runs",
    "headway.store.output",
    "headway.store.effects",
    "headway.store.owner_lists",
    "headway.store.queries",
    "headway.store.tokens",
    "headway.store.schedules",
    "headway.store.devices",
    "headway.store.sockets",
    "headway.store.maintenance",
    "headway.store.records",
    "headway.lanes",
    "headway.limits",
    "headway.store.rights",
    "headway.store.redis_server",
    "headway.store.redis_checks",
    "headway.files.place",
    "headway.files.checks",
    "headway.celery",
    "headway.celery.context",
    "headway.celery.messages",
    "headway.celery.messages.sends",
    "headway.celery.run.runs",
    "headway.celery.run",
    "headway.celery.error_text",
    "headway.celery.storing",
    "headway.celery.storing.results",
    "headway.celery.releases",
    "headway.celery.storing.dependents",
    "headway.celery.messages.encoded",
    "headway.celery.run.endings",
    "headway.celery.run.programs",
    "headway.celery.worker",
    "headway.celery.worker.inherited",
    "headway.celery.messages.captured",
    "headway.celery.messages.priorities",
    "headway.celery.messages.broker",
    "headway.celery.storing.publishing",
    "headway.celery.storing.fencing",
    "headway.celery.storing.attempts",
    "headway.celery.later",
    "headway.celery.storing.report_fields",
    "headway.celery.storing.lean_backend",
    "headway.celery.messages.broker_url",
    "headway.celery.storing.result_consumer",
    "headway.celery.storing.persistence",
    "headway.celery.run.report_sender",
    "headway.celery.storing.writes",
    "headway.celery.storing.state_store",
    "headway.celery.storing.claims",
    "headway.celery.storing.run_store",
    "headway.celery.storing.outbox",
    "headway.celery.storing.notifier",
    "headway.celery.key_prefixes",
    "headway.celery.redis_setting",
    "headway.celery.default_app",
    "headway.celery.backend",
    "headway.celery.unique_sends",
    "headway.celery.run.log_lines",
    "headway.celery.run.flusher",
    "headway.celery.run.text_stream",
    "headway.celery.run.saved",
    "headway.celery.run.files",
    "headway.celery.run.overflow",
    "headway.celery.run.stream_sender",
    "headway.celery.run.streams",
    "headway.celery.run.effects",
    "headway.celery.run.uploads",
    "headway.celery.run.loops",
    "headway.celery.run.checkpoint",
    "headway.celery.run.asking",
    "headway.celery.run.progress_buffer",
    "headway.celery.run.progress_sender",
    "headway.celery.run.report_values",
    "headway.celery.run.sections",
    "headway.celery.run.tracking",
    "headway.celery.run.children",
    "headway.capture.lines",
    "headway.capture.measures",
    "headway.capture.captured",
    "headway.capture.streams",
    "headway.capture.logs",
    "headway.capture.bars",
    "headway.capture.tqdm_bars",
    "headway.capture.rich_bars",
    "headway.capture.imports",
    "headway.capture.programs",
    "headway.capture",
    "headway.celery.run.body",
    "headway.celery.task",
    "headway.celery.transport",
    "headway.celery.worker.delivery",
    "headway.celery.weakening",
    "headway.celery.worker.live_tasks",
    "headway.celery.worker.pool_exit",
    "headway.celery.cli",
    "headway.celery.worker.consumer",
    "headway.celery.worker.stopping",
    "headway.celery.worker.heartbeats",
    "headway.celery.worker.loop_watch",
    "headway.celery.worker.namesakes",
    "headway.celery.worker.leases",
    "headway.celery.worker.run_killer",
    "headway.celery.worker.sweeper",
    "headway.arguments.docstrings",
    "headway.arguments.signatures",
    "headway.unique",
    "headway.schedules",
    "headway.celery.starting",
    "headway.celery.following",
    "headway.celery.worker.scheduler",
    "headway.celery.worker.file_cleaner",
    "headway.celery.worker.web_pusher",
    "headway.celery.worker.maintenance",
    "headway.progress",
    "headway.engine",
    "headway.engine.frames",
    "headway.engine.events",
    "headway.engine.backlog",
    "headway.engine.packets",
    "headway.engine.protocols",
    "headway.engine.sending",
    "headway.engine.connection",
    "headway.engine.wakeup",
    "headway.engine.feed",
    "headway.engine.shares",
    "headway.engine.inbox",
    "headway.engine.socket",
    "headway.engine.timers",
    "headway.engine.loop",
    "headway.engine.handshake",
    "headway.engine.quotas",
    "headway.engine.checked",
    "headway.engine.simple",
    "headway.engine.handover",
    "headway.engine.default_server",
    "headway.engine.work_queue",
    "headway.engine.thread_queue",
    "headway.engine.mode_eventlet",
    "headway.engine.mode_gevent",
    "headway.engine.mode_threading",
    "headway.engine.server",
    "headway.engine.choice",
    "headway.push",
    "headway.push.subscriptions",
    "headway.push.subscriber",
    "headway.push.batch_loader",
    "headway.push.rooms",
    "headway.push.checks",
    "headway.push.fanout",
    "headway.push.dispatcher",
    "headway.push.follow",
    "headway.push.resync",
    "headway.push.server_status",
    "headway.push.revocations",
    "headway.push.polls",
    "headway.push.heartbeat",
    "headway.push.manager",
    "headway.arguments.controls",
    "headway.arguments.form",
    "headway.registry",
    "headway.web",
    "headway.web.requests",
    "headway.web.requests.origins",
    "headway.web.requests.proxies",
    "headway.web.requests.hosts",
    "headway.web.server",
    "headway.web.server.connection_limiter",
    "headway.web.server.request_head",
    "headway.web.server.incoming",
    "headway.web.server.small_bodies",
    "headway.web.server.request_reader",
    "headway.web.server.listening",
    "headway.web.server.serving",
    "headway.web.server.serve_eventlet",
    "headway.web.server.serve_gevent",
    "headway.web.server.serve_threading",
    "headway.web.requests.cors",
    "headway.system",
    "headway.files.uploading",
    "headway.files.resumable",
    "headway.state",
    "headway.web.server.serve",
    "headway.service",
    "headway.answering",
    "headway.web.requests.sessions",
    "headway.web.requests.owners",
    "headway.web.requests.headers",
    "headway.web.requests.limiting",
    "headway.web.requests.viewers",
    "headway.web.api",
    "headway.web.api.bounds",
    "headway.web.api.payloads",
    "headway.web.requests.errors",
    "headway.web.requests.bodies",
    "headway.web.requests.forms",
    "headway.web.api.reading",
    "headway.web.api.batch_etags",
    "headway.web.requests.language",
    "headway.web.requests.security",
    "headway.web.requests.cookies",
    "headway.web.assets",
    "headway.web.pages",
    "headway.web.pages.template_functions",
    "headway.web.api.parameters",
    "headway.web.api.listing",
    "headway.web.api.responses",
    "headway.web.api.tasks",
    "headway.web.api.answers",
    "headway.web.api.bulk",
    "headway.revoking",
    "headway.web.api.sharing",
    "headway.web.api.streams",
    "headway.web.api.part_tree",
    "headway.web.api.parts",
    "headway.web.api.files",
    "headway.web.pages.result_view",
    "headway.web.pages.markdown",
    "headway.web.pages.result_plot",
    "headway.web.pages.results",
    "headway.web.pages.snippets",
    "headway.web.pages.log_view",
    "headway.web.pages.ansi",
    "headway.web.pages.stream_view",
    "headway.web.pages.pace",
    "headway.web.pages.plot",
    "headway.web.pages.timeline",
    "headway.web.api.multipart",
    "headway.web.api.receiving",
    "headway.web.api.tus",
    "headway.web.api.uploads",
    "headway.web.api.web_push",
    "headway.web.pages.form_files",
    "headway.web.pages.start_page",
    "headway.web.pages.task_list",
    "headway.web.pages.facts",
    "headway.web.pages.task_page",
    "headway.web.pages.token_links",
    "headway.web.pages.schedules",
    "headway.web.api.health",
    "headway.web.api.task_bodies",
    "headway.web.api.operations",
    "headway.web.api.openapi",
    "headway.web.handlers",
    "headway.web.sockets",
    "headway.web.requests.whole_site",
    "headway.app_tasks",
    "headway.extension",
    "headway.standalone",
    "headway.cli",
    "headway.cli.drawing",
    "headway.cli.errors",
    "headway.cli.watching",
    "headway.cli.project",
    "headway.cli.uploading",
    "headway.cli.commands",
    "headway.cli.answering",
    "headway.cli.schedules",
    "headway.cli.restored",
    "headway.cli.sharing",
    "headway.cli.serving",
    "headway.cli.groups",
    "headway.__main__",
    "headway.patched",
    "headway",
    "headway.views",
    "headway.texts",
    "headway.checks",
    "headway.config",
    "headway.secrets",
    "headway.server",
    "headway.testing.task_run",
    "headway.testing.viewer",
    "headway.testing.switch",
    "headway.testing.memory",
    "headway.testing.eager_tasks",
    "headway.testing.uploads",
    "headway.testing.eager",
    "headway.testing.live",
    "headway.testing",
    "headway.testing.plugin",
    "app.addresses",
    "app.contacts",
    "app.csv_files",
    "app.mailbox",
    "app.services",
    "app.secret_keys",
    "app.mail_settings",
    "app.settings",
    "app.config",
    "app.messages",
    "app.mailing",
    "app.mail_errors",
    "app.smtp_replies",
    "app.smtp",
    "app.connection_cache",
    "app.mail",
    "app.mail_checks",
    "app.doctor",
    "app.extensions",
    "app.outage",
    "app.mail_waits",
    "app.email_limits",
    "app.tasks.*",  # a file for each kind of work
    "app.tasks",
    "app.forms",
    "app.code_problem",
    "app.inbox",
    "app.routes",
    "app.celery_settings",
    "app.bundles",
    "app",
    "app.unsent",
]
SPEAK_REDIS = {
    "headway.store.connection",
    "headway.store.errors",
    "headway.store.functions",
    "headway.store.redis_server",
    "headway.store.redis_checks",
    "headway.push.subscriber",
}
# What uses Headway as any project does, and so by its public names alone.
PROJECTS = [
    *(ROOT / f"{name}.py" for name in ("run", "embedded", "supervisor", "wsgi", "worker")),
    *(ROOT / f"{name}.py" for name in ("code_watcher", "load_code", "problem_server")),
    *(path for folder in ("app", "examples") for path in sorted((ROOT / folder).rglob("*.py"))),
]
USE_EVENTLET = {
    "headway.settings",
    "app.settings",
    "app.config",
    "headway.cli.serving",
    "headway.patching",
    "headway.web.server.listening",
    "headway.web.server.serve_eventlet",
    *(f"headway.engine.{name}" for name in ("handshake", "mode_eventlet", "server")),
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layer_of(module: str) -> str:
    return "app.tasks.*" if module.startswith("app.tasks.") else module


@cache
def imports_of(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            of_package = {f"{node.module}.{alias.name}" for alias in node.names} & files().keys()
            names |= of_package or {node.module or ""}  # what is taken may be a module itself
    return names


@cache
def files() -> dict[str, Path]:
    return {
        module_of(path): path
        for package in ("app", "headway")
        for path in (ROOT / package).rglob("*.py")
    }


def test_every_file_has_its_layer():
    assert {layer_of(module) for module in files()} == set(LAYERS)


def test_a_file_imports_only_from_files_above_it():
    known = files()
    for module, path in known.items():
        for name in imports_of(path) & known.keys():
            above = LAYERS.index(layer_of(name))
            below = LAYERS.index(layer_of(module))
            assert above < below, f"{module} imports {name}"


@pytest.mark.parametrize(
    "packages",
    [
        [f"headway.celery.{name}" for name in ("messages", "storing", "run", "worker")],
        [f"headway.web.{name}" for name in ("server", "requests", "api", "pages")],
    ],
)
def test_a_package_imports_only_from_packages_before_it(packages: list[str]):
    for module, path in files().items():
        at = package_at(packages, module)
        for name in imports_of(path) & files().keys():
            assert package_at(packages, name) <= at or at < 0, f"{module} imports {name}"


def package_at(packages: list[str], module: str) -> int:
    """Return the place of a module's package among these, -1 if it is in none."""
    at = [module.startswith(f"{package}.") for package in packages]
    return at.index(True) if True in at else -1


def test_the_library_knows_no_application():
    for module, path in files().items():
        if module.startswith("headway"):
            assert not {name for name in imports_of(path) if name.split(".")[0] == "app"}, module


def test_the_store_knows_nothing_of_workers_and_pages():
    above = {"celery", "push", "web", "engine"}
    for module, path in files().items():
        if module.startswith("headway.store"):
            assert not [name for name in imports_of(path) if above & set(name.split(".")[1:2])], (
                module
            )


def test_only_these_files_speak_redis():
    speakers = {
        module
        for module, path in files().items()
        if any(n.split(".")[0] == "redis" for n in imports_of(path))
    }

    assert speakers <= SPEAK_REDIS


def test_only_settings_the_server_and_the_engine_use_eventlet():
    users = {module for module, path in files().items() if "eventlet" in path.read_text()}

    assert users <= USE_EVENTLET


@cache
def public_names() -> set[str]:
    """Return the names that docs/reference.md documents, with their modules."""
    modules = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["MODULES"]
    names = {f"headway.{name}" for name in ("progress", "settings", *modules)}
    for module in ("headway", *(f"headway.{name}" for name in modules)):
        names |= {f"{module}.{name}" for name in import_module(module).__all__}
    return names


def names_of_headway(tree: ast.AST) -> set[str]:
    """Return what a file imports of Headway, and what it takes of its state in an app."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name.startswith("headway.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "headway":
            found |= {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value).endswith(
            "extensions['headway']"
        ):
            found.add(f"headway.state.{node.attr}")
    return found - {"headway.state.celery"}  # by which a worker finds it, see docs/design.md


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_projects_use_public_names_alone(path: Path):
    assert names_of_headway(ast.parse(path.read_text())) <= public_names()


@pytest.mark.parametrize(
    "line",
    [
        "from headway.store.records import Records",
        "from headway.web.requests import owners",
        "import headway.celery.task",
        "from headway import service",
        "records = app.extensions['headway'].records",
    ],
)
def test_an_inner_name_is_seen(line: str):
    assert names_of_headway(ast.parse(line)) - public_names()
