"""Says which setting of a project names the Redis of its results."""

from __future__ import annotations

import os
from typing import Any

from headway import settings

OVERRIDES = "CELERY_RESULT_BACKEND"  # in the environment Celery takes it before any configuration


def redis_setting(app: Any) -> str:
    """Return the name of the setting that a Celery app has its result backend's URL from."""
    if named := settings.REDIS_SETTING.read(app.conf):
        return str(named)
    if os.environ.get(OVERRIDES):
        return OVERRIDES
    namespace = str(app.namespace or "").removesuffix("_")
    if not namespace:
        return "result_backend"
    return f"{namespace}_RESULT_BACKEND" if namespace.isupper() else f"{namespace}_result_backend"
