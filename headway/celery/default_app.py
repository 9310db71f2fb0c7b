"""Names the Celery app that `@shared_task`s belong to in all threads of a process."""

from __future__ import annotations

from celery import Celery, _state


def make_default(app: Celery) -> None:
    """Make an app this process's default, unless the process has named another, as for Django.

    Without one Celery looks for shared tasks, in all threads but that which made the app, at an
    app of its own, whose broker is on this machine and whose results go nowhere.
    """
    if _state.default_app is None or _is_celerys_own(_state.default_app):
        app.set_default()


def _is_celerys_own(app: Celery) -> bool:
    """Whether Celery made this app since there was none, at the first look at a shared task.

    `flask run` looks at each name of a module before it calls that module's `create_app`.
    """
    return app.main == "default" and not app.set_as_current
