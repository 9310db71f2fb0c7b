"""The worker process: `celery -A worker worker` takes both queues, `-Q mail` or `-Q celery` one.

It binds only `celery`: Celery takes the first app that it finds in this module, even a Flask app.
"""

import gc

from app import create_app
from headway.secrets import guard_process

guard_process()

# A worker serves no sockets, so it needs no eventlet.
celery = create_app({"SOCKETIO_ASYNC_MODE": "threading"}).extensions["headway"].celery
# Before it forks each process of its pool, Celery searches for garbage: not among what stays.
gc.freeze()
