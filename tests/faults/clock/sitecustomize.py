"""Puts the clock of a process, and of those that it forks, wrong by CLOCK_AHEAD seconds: Python
runs this file at its
start where its folder is on PYTHONPATH.

It replaces what tells the time of day before anything has imported it. Elapsed time
(`time.monotonic`) stays right, as it does on a machine whose clock is wrong.
"""

import datetime
import os
import time

AHEAD = float(os.environ["CLOCK_AHEAD"])

_time = time.time
_time_ns = time.time_ns
_gmtime = time.gmtime
_localtime = time.localtime


class _Instances(type):
    """C code and unpickling still make objects of the true class: they are instances too."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, cls.__base__)


class WrongDatetime(datetime.datetime, metaclass=_Instances):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls):
        return cls.now()


class WrongDate(datetime.date, metaclass=_Instances):
    @classmethod
    def today(cls):
        return cls.fromtimestamp(time.time())


# Static, as built-in functions are: logging keeps one of them as an attribute of a class.
time.time = staticmethod(lambda: _time() + AHEAD)
time.time_ns = staticmethod(lambda: _time_ns() + int(AHEAD * 1e9))
time.gmtime = staticmethod(
    lambda seconds=None: _gmtime(time.time() if seconds is None else seconds)
)
time.localtime = staticmethod(
    lambda seconds=None: _localtime(time.time() if seconds is None else seconds)
)
datetime.datetime = WrongDatetime
datetime.date = WrongDate
