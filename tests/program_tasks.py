"""tests/ending_tasks.py, with tasks that start programs of every kind and wait for them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import time

from headway import progress
from tests.ending_tasks import celery, count_run, crash, meet


def child(name):
    subprocess.Popen(["sleep", name])


def shell(name):
    subprocess.Popen(f"sleep {name} | sleep {name}", shell=True)


def orphan(name):
    """Programs whose parent has ended."""
    subprocess.run(f"sleep {name} & sleep {name} &", shell=True, check=True)


def own_session(name):
    subprocess.Popen(["sleep", name], start_new_session=True)


def daemon(name):
    """A program in a session of its own, whose parent has ended."""
    subprocess.run(f"setsid sleep {name} & sleep 0.1", shell=True, check=True)


def bare_environment(name):
    subprocess.Popen(["sleep", name], env={"PATH": os.environ["PATH"]})


def unmarked(name):
    """A program that only its living parent tells: no mark, no common group or session."""
    subprocess.Popen(["sleep", name], env={"PATH": os.environ["PATH"]}, start_new_session=True)


def deaf(name):
    """A program that ends by no signal but SIGKILL."""
    subprocess.Popen(["sh", "-c", f"trap '' TERM INT QUIT HUP; while :; do sleep {name}; done"])


def forked(folder):
    """A process without a program of its own, as multiprocessing makes it."""
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
        os._exit(0)
    with open(f"{folder}.forked", "w") as file:
        file.write(str(pid))


MARKED = (child, shell, orphan, own_session, daemon, bare_environment, deaf)
PROGRAMS = (*MARKED, unmarked)


def start_all(folder, programs=PROGRAMS):
    """Start programs of every kind, whose command lines hold `name_of(folder)`."""
    forked(folder)
    for start in programs:
        start(name_of(folder))
    count_run(folder)


def name_of(folder):
    return f"600.{int(os.path.basename(folder), 16)}"


@celery.task(max_retries=0)
def waits(folder):
    start_all(folder)
    time.sleep(600)


@celery.task(max_retries=0)
def reports(folder):
    start_all(folder)
    while True:
        progress.update()
        time.sleep(0.05)


@celery.task(max_retries=0, soft_time_limit=2, time_limit=60)
def over_soft(folder):
    start_all(folder)
    time.sleep(600)


@celery.task(max_retries=0, time_limit=2)
def over_hard(folder):
    start_all(folder)
    time.sleep(600)


@celery.task(max_retries=0)
def dies(folder, how):
    pickle.dumps(progress.bind(count_run))  # for which the run listens
    start_all(folder, MARKED)  # nobody looks while the parent lives
    while not os.path.exists(f"{folder}.go"):
        time.sleep(0.02)
    if how == "exit":
        os._exit(1)
    elif how == "crash":
        crash()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


@celery.task
def leaves(folder, place, others):
    """Leave programs that are meant to go on; end when so many runs have."""
    child(name_of(folder))
    bare_environment(name_of(folder))
    time.sleep(0.02)  # the next run starts in another tick of /proc's clock
    count_run(folder)
    meet(folder, place, others)
    return os.getpid()


__all__ = ["celery"]
