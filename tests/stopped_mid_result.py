"""tests.plain_celery, whose worker is told to stop while it reads that its first task has ended."""

import os
import signal

from celery.concurrency.asynpool import ResultHandler
from celery.worker import state

from tests.plain_celery import celery  # noqa: F401  for the worker

_receive = ResultHandler._recv_message


def _receive_and_stop(self, add_reader, fd, callback):
    def message_is_read(*args):
        if state.active_requests:
            ResultHandler._recv_message = _receive
            os.kill(os.getpid(), signal.SIGTERM)
        add_reader(*args)

    return _receive(self, message_is_read, fd, callback)


ResultHandler._recv_message = _receive_and_stop
