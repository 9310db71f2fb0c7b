"""Celery with Headway: the backend and what surrounds it. Nothing else imports Celery or kombu."""

from celery import VERSION, __version__

OLDEST = (5, 6, 3)  # as in pyproject.toml

# Where a project's requirements are installed after Headway, pip only warns of an older one.
if VERSION[:3] < OLDEST:
    raise ImportError(
        f"Celery {__version__} is too old for Headway, which needs "
        f"{'.'.join(map(str, OLDEST))} or newer: pip install --upgrade celery"
    )
