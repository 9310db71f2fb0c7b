#!/usr/bin/env bash
# Installs Debian's nginx for the tests of docs/serve.md where there is none; they run it by themselves, as the current
# user. Where it cannot, it says so loudly: those tests then fail, and in CI nothing is run at all.
set -euo pipefail
PATH=$PATH:/usr/sbin

if command -v nginx >/dev/null; then exit 0; fi

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
  command -v apt-get >/dev/null || return 1
  echo "Installing nginx for the tests ..."
  # RUNLEVEL=1: the package's own server is not started.
  as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends nginx >/dev/null
}

if ! install; then
  echo "NO NGINX: it is missing and could not be installed. On Debian: apt-get install nginx" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
  echo "THE TESTS BEHIND NGINX WILL FAIL." >&2
fi
