"""All of Headway as real processes, made to be broken: proxies on every connection, a
supervisor, a mail server.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from headway.store.connection import connect
from headway.store.records import Records
from headway.web.server.listening import listen
from tests.faults.kinds import JOURNAL
from tests.faults.pages import Browser
from tests.faults.proxy import Proxy
from tests.faults.stories import Diary, path_of
from tests.processes import Process, Valkey, answers, children_of, wait_for
from tests.smtp_server import REPLIES, SmtpServer

BACK_OFF_SECONDS = (0.2, 2.0)  # before a restart: at first, at most
STEADY_SECONDS = 10.0
LONG_SLOTS = 4
MAIL_SLOTS = 2
CLOCK = Path(__file__).parent / "clock"


class Kept:
    """A process that is started again when it dies, as `run.py` keeps its children: what it
    leaves behind is ended.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        env: Mapping[str, str],
        fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.starts = 0
        self._command = command
        self._folder = folder
        self._env = env
        self._fds = fds
        self._stopping = threading.Event()
        self._starting = threading.Lock()  # so that nothing is started after `stop`
        self._start()
        self._thread = threading.Thread(target=self._keep, name=f"keeps {name}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self, words: str) -> bool:
        """Whether the present process has said these words."""
        return words in self.process.output()

    def pool(self) -> list[int]:
        """Return the children of the process."""
        try:
            return children_of(self.pid)
        except OSError:  # it has died
            return []

    def signal(self, number: int) -> None:
        self.process.popen.send_signal(number)

    def end(self, with_signal: int, seconds: float = 30.0) -> float:
        """Signal the process and return after how many seconds it was gone; it is started again."""
        process = self.process
        begun = time.monotonic()
        self.signal(with_signal)
        wait_for(lambda: process.popen.poll() is not None, seconds, f"{self.name} did not end")
        return time.monotonic() - begun

    def stop(self) -> None:
        with self._starting:
            self._stopping.set()
        self.process.stop()
        self._thread.join()

    def _start(self) -> None:
        self.starts += 1
        log = self._folder / f"{self.name}-{self.starts}.log"
        self.process = Process(self._command, log, self._env, self._fds)

    def _keep(self) -> None:
        shortest, longest = BACK_OFF_SECONDS
        delay = shortest
        while True:
            begun = time.monotonic()
            self.process.popen.wait()
            self.process.kill()  # what it left behind: a killed worker's pool
            delay = shortest if time.monotonic() - begun > STEADY_SECONDS else delay
            self._stopping.wait(delay)
            delay = min(delay * 2, longest)
            with self._starting:
                if self._stopping.is_set():
                    return
                self._start()


@dataclass(frozen=True)
class Run:
    """What the journal says of one run of a task's body.

    `ended` is None where it did not come to its end.
    """

    task_id: str
    pid: int
    began: float
    ended: float | None


class System:
    """Valkey, two web processes on one socket, two workers for long tasks and one for mail, an SMTP
    server.

    Proxies stand between: `to_web` before the web processes, `web_redis` behind them, `mail_smtp`
    before the mail server, and before Redis one for each worker, by its name in `worker_redis`.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.journal.touch()
        self._browser: Browser | None = None
        self._settings = {
            "RATE_LIMITS": "off",
            "DATA_DIR": str(folder / "data"),
            "SECRET_KEY": "a secret for the tests",
            "LONG_TASK_STEPS": "20",
            "LONG_TASK_STEP_SECONDS": "0.1",
            "MAX_ATTEMPTS": "10",  # so that no task meets its last one by chance
            "MAIL_TIMEOUT_SECONDS": "2",
            "MAIL_RETRY_SECONDS": "0.3",
            "MAIL_MAX_EMAILS": "5",
            JOURNAL: str(self.journal),
            **settings,
        }
        with ExitStack() as stack:
            self._stack = stack
            self._build()
            self._stack = stack.pop_all()

    def _build(self) -> None:
        self.valkey = Valkey(self.folder)
        self._stack.callback(self.valkey.stop)
        self.records = Records(connect(self.valkey.url), ttl_days=7)
        self._stack.callback(self.records.client.close)
        self.smtp = self._stack.enter_context(SmtpServer())
        self.mail_smtp = self._stack.enter_context(Proxy(self.smtp.port))
        self.web_redis = self._stack.enter_context(Proxy(self.valkey.port))
        self.worker_redis: dict[str, Proxy] = {}
        listener = self._stack.enter_context(listen("127.0.0.1", 0))
        self.webs = [self._web(f"web-{number}", listener.fileno()) for number in (1, 2)]
        self.workers = [self._worker(f"long-{number}", "celery", LONG_SLOTS) for number in (1, 2)]
        self.mailer = self._worker("mail", "mail", MAIL_SLOTS)
        self.to_web = self._stack.enter_context(Proxy(listener.getsockname()[1]))
        self.address = f"http://127.0.0.1:{self.to_web.port}"
        self.until_ready()

    @property
    def all_workers(self) -> list[Kept]:
        return [*self.workers, self.mailer]

    @property
    def browser(self) -> Browser:
        """The browser, started if it is not running."""
        if self._browser is None or not self._browser.is_there:
            self._browser = Browser()
            self._stack.callback(self._browser.close)
        return self._browser

    def until_ready(self) -> None:
        """Return when every process is there and does its work."""
        for worker in self.all_workers:
            wait_for(
                lambda w=worker: w.said(" ready."),
                60,
                f"{worker.name} is not ready: {worker.process.log}",
            )
        for web in self.webs:
            wait_for(lambda w=web: w.process.popen.poll() is None, 60, f"{web.name} is not there")
        wait_for(lambda: answers(f"{self.address}/readyz"), 60, "no web process is ready")

    def mend(self) -> None:
        """Make everything whole again, whatever a trial has left."""
        self.valkey.thaw()
        self.records.client.config_set("maxmemory", "0")
        for proxy in (self.to_web, self.web_redis, self.mail_smtp, *self.worker_redis.values()):
            proxy.heal()
        self.smtp.replies.update(REPLIES)
        self.smtp.delays.clear()
        for process in (*self.all_workers, *self.webs):
            process.signal(signal.SIGCONT)
        self.until_ready()

    def runs(self) -> list[Run]:
        """Return what the journal says, in the order in which the runs began."""
        began: dict[tuple[str, int], dict[str, float]] = {}
        found = []
        for line in self.journal.read_bytes().splitlines():
            event = json.loads(line)
            key = event["task_id"], event["pid"]
            if event["event"] == "begin":
                if key in began:
                    found.append(Run(*key, began.pop(key)["at"], None))
                began[key] = event
            else:
                found.append(Run(*key, began.pop(key)["at"], event["at"]))
        found += [Run(*key, event["at"], None) for key, event in began.items()]
        return sorted(found, key=lambda run: run.began)

    def diary(self, task_id: str) -> Diary:
        """Return the diary of a story's runs."""
        return Diary(path_of(self.journal, task_id))

    @contextmanager
    def extra_worker(
        self, name: str, queues: str, slots: int = LONG_SLOTS, pool: str = "prefork", **env: str
    ) -> Iterator[Kept]:
        """Have one more worker for a while; `env` is beside its usual environment."""
        worker = self._worker(name, queues, slots, pool, **env)
        try:
            wait_for(
                lambda: worker.said(" ready."), 60, f"{name} is not ready: {worker.process.log}"
            )
            yield worker
        finally:
            worker.stop()

    def _worker(
        self, name: str, queues: str, slots: int, pool: str = "prefork", **env: str
    ) -> Kept:
        celery = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "tests.faults.worker",
            "worker",
            "--loglevel",
            "INFO",
        ]
        command = [*celery, "-Q", queues, "-P", pool, "-c", str(slots), "-n", f"{name}@%h"]
        self.worker_redis[name] = self._stack.enter_context(Proxy(self.valkey.port))
        redis = {"REDIS_URL": _redis(self.worker_redis[name]), "MAIL_SERVER": "127.0.0.1"}
        smtp = {"MAIL_PORT": str(self.mail_smtp.port), "REMAP_SIGTERM": "SIGQUIT"}
        worker = Kept(name, command, self.folder, {**self._settings, **redis, **smtp, **env})
        self._stack.callback(worker.stop)
        return worker

    def stop(self) -> None:
        """End everything; the processes all at once."""
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(Kept.stop, [*self.all_workers, *self.webs]))
        finally:
            self._stack.close()

    def _web(self, name: str, fd: int) -> Kept:
        env = {
            "REDIS_URL": _redis(self.web_redis),
            "MAIL_SERVER": "127.0.0.1",
            "HEADWAY_LISTEN_FD": str(fd),
        }
        web = Kept(
            name,
            [sys.executable, "-m", "tests.faults.web"],
            self.folder,
            {**self._settings, **env},
            [fd],
        )
        self._stack.callback(web.stop)
        return web


def _redis(proxy: Proxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


def kill(pid: int) -> None:
    """End a process as a lack of memory does: with nothing said and nothing put in order."""
    os.kill(pid, signal.SIGKILL)
