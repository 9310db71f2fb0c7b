"""A worker with the suite's kinds of work beside the app's: `celery -A tests.faults.worker
worker`.
"""

from app import create_app
from tests.faults import kinds, stories

celery = create_app({"SOCKETIO_ASYNC_MODE": "threading"}).extensions["headway"].celery

__all__ = ["celery", "kinds", "stories"]
