"""For a program that serves, or that starts the processes that do."""

from headway.celery.run.programs import processes
from headway.web.server.listening import CannotListen, address_of, listen, refuse_newcomers
from headway.web.server.serve import serve

__all__ = [
    "CannotListen",
    "address_of",
    "listen",
    "processes",
    "refuse_newcomers",
    "serve",
]
