"""The worker process: `celery -A worker worker` takes both queues, `-Q mail` or `-Q celery` one of them.

Binds only `celery`: Celery takes the first app that it finds in this module, also a Flask one.
"""

from app import create_app

celery = create_app().extensions["celery"]
