"""Shows tqdm's bars, and those of its subclasses, in any library that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

from headway.capture.bars import Bar, new_bar

BAR = "headway_bar"  # the attribute of a tqdm object that has one


def patch(module: ModuleType) -> None:
    """Have the bars of this module, `tqdm.std`, be shown where runs are captured."""
    tqdm = module.tqdm
    for name, wrap in WRAPPERS.items():
        setattr(tqdm, name, wrap(getattr(tqdm, name)))


def _init(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        # Without a terminal `disable=None` disables a bar: it is to be shown, but not drawn.
        if not self.disable or kwargs.get("disable", True) is None:
            if self.disable:
                self.desc = kwargs.get("desc")
            setattr(self, BAR, new_bar(_name(self), self.n, self.total))

    return __init__


def _iter(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @wraps(original)
    def __iter__(self: Any) -> Iterator[Any]:
        # tqdm itself counts an item only as it draws, ten times a second at most.
        items = original(self)
        bar = _bar(self)
        if bar is None:
            return items
        return _closing(self, bar, items) if self.disable else bar.counted(items)

    return __iter__


def _update(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def update(self: Any, n: Any = 1) -> Any:
        drawn = original(self, n)
        if bar := _bar(self):
            if self.disable:
                self.n += n
            _show(self, bar)
            bar.check()
        return drawn

    return update


def _refresh(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def refresh(self: Any, *args: Any, **kwargs: Any) -> Any:
        # No check: tqdm's own thread calls this too.
        if bar := _bar(self):
            _show(self, bar)
        return original(self, *args, **kwargs)

    return refresh


def _close(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def close(self: Any) -> None:
        bar = _bar(self)
        try:
            original(self)
        finally:
            if bar is not None:
                setattr(self, BAR, None)
                _show(self, bar)
                bar.close()

    return close


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "__init__": _init,
    "__iter__": _iter,
    "update": _update,
    "refresh": _refresh,
    "close": _close,
}


def _closing(tqdm: Any, bar: Bar, items: Iterator[Any]) -> Iterator[Any]:
    """Yield from a disabled bar's iterator, count, and close it, as tqdm does with others."""
    try:
        yield from bar.counted(items)
    finally:
        tqdm.n = bar.current
        tqdm.close()


def _bar(tqdm: Any) -> Bar | None:
    found: Bar | None = tqdm.__dict__.get(BAR)
    return found


def _show(tqdm: Any, bar: Bar) -> None:
    bar.show(_name(tqdm), tqdm.n, tqdm.total)


def _name(tqdm: Any) -> str:
    """Return a bar's description; `set_description` appends a colon."""
    return str(tqdm.desc or "").removesuffix(": ")
