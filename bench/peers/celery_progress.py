"""Peer (d), celery-progress: its websocket recorder in the task, its consumer on Channels, served
by uvicorn.

`python -m bench.peers.celery_progress REDIS_URL` reports; with a PORT it is the web process.
"""

from __future__ import annotations

import sys
from typing import Any

import django
from celery import Celery
from celery.app.task import Context
from django.conf import settings

from bench.peers import pace


def configure(url: str) -> None:
    """Make the Django project that it needs: a layer in Redis, and nothing else."""
    layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [url]}}
    settings.configure(
        CHANNEL_LAYERS={"default": layer}, INSTALLED_APPS=["channels", "celery_progress"]
    )
    django.setup()


def serve(port: int) -> None:
    import uvicorn
    from celery_progress.websockets import routing
    from channels.routing import ProtocolTypeRouter, URLRouter

    app = ProtocolTypeRouter({"websocket": URLRouter(routing.urlpatterns)})
    uvicorn.run(app, port=port, log_level="warning", access_log=False, lifespan="off")


def report(url: str) -> None:
    from celery_progress.websockets.backend import WebSocketProgressRecorder

    celery = Celery("celery_progress", broker=url, backend=url)

    @celery.task(bind=True)
    def reports(self: Any, **asked: Any) -> dict[str, Any]:
        def say(task_id: str, done: int, status: str) -> None:
            # it reports for the running task only
            self.request_stack.push(Context(id=task_id, called_directly=False))
            try:
                WebSocketProgressRecorder(self).set_progress(done, pace.TOTAL, description=status)
            finally:
                self.request_stack.pop()

        return pace.report(say, **asked)

    @celery.task(bind=True)
    def cost(self: Any, **asked: Any) -> float:
        recorder = WebSocketProgressRecorder(self)
        return pace.cost(
            body=lambda: recorder.set_progress(1, 100, description=pace.STATUS), **asked
        )

    pace.serve(
        {
            "report": lambda **asked: pace.run(reports, **asked),
            "cost": lambda **asked: pace.run(cost, **asked),
        }
    )


if __name__ == "__main__":
    configure(sys.argv[1])
    if len(sys.argv) > 2:
        serve(int(sys.argv[2]))
    else:
        report(sys.argv[1])
