"""Somebody's Django project with celery-progress, with any result backend.

Served by the tests as `gunicorn tests.progress_site`, with `celery -A tests.progress_site worker`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import django
from celery import Celery, group
from celery_progress.backend import ProgressRecorder
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

GATE = Path(os.environ["GATE"])  # exports wait until there is such a file

settings.configure(
    SECRET_KEY="a secret for the tests",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["celery_progress"],
    MIDDLEWARE=[],
)
django.setup()
celery = Celery("site", broker=os.environ["SHOP_REDIS"], backend=os.environ["SHOP_BACKEND"])
celery.set_default()


@celery.task(name="export", bind=True)
def export(self, rows):
    recorder = ProgressRecorder(self)
    for row in range(rows):
        recorder.set_progress(row + 1, rows, description="Exporting")
    while not GATE.exists():
        time.sleep(0.02)
    return f"{rows} rows"


@celery.task(name="fail")
def fail():
    raise ValueError("no rows")


@celery.task(name="later", bind=True)
def later(self):
    raise self.retry(exc=ValueError("no rows yet"), countdown=3600)


def start(request: HttpRequest, name: str) -> JsonResponse:
    args = [4] if name == "export" else []
    return JsonResponse({"id": celery.tasks[name].delay(*args).id})


def start_group(request: HttpRequest) -> JsonResponse:
    started = group(export.s(rows) for rows in (2, 3)).delay()
    started.save()
    return JsonResponse({"id": started.id})


def revoke(request: HttpRequest, task_id: str) -> JsonResponse:
    celery.control.revoke(task_id, terminate=True)
    return JsonResponse({})


urlpatterns = [
    path("celery-progress/", include("celery_progress.urls")),
    path("start/<str:name>", start),
    path("group", start_group),
    path("revoke/<str:task_id>", revoke),
]
application = get_wsgi_application()
