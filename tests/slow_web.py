"""A web process with a request that takes a second: `python -m tests.slow_web`."""

import time

import wsgi


@wsgi.app.get("/slow")
def slow() -> str:
    print("working", flush=True)
    time.sleep(1)
    return "done"


if __name__ == "__main__":
    wsgi.main()
