#!/usr/bin/env bash
# Installs Debian's Chromium for the browser tests where there is none: the shell, which most of them use (half the
# processor time), and the whole one. Where it can install none, it says so loudly: those tests are then skipped at home,
# and with REQUIRE_BROWSER=1, as in CI, nothing is run at all. The whole one alone serves all of them.
set -euo pipefail

present() {
  local name
  for name in "$@"; do
    if command -v "$name" >/dev/null; then return 0; fi
  done
  return 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
  command -v apt-get >/dev/null || return 1
  echo "Installing $* for the browser tests ..."
  as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if ! present chromium chromium-browser google-chrome && ! install chromium; then
  echo "NO BROWSER: Chromium is missing and could not be installed. On Debian: apt-get install chromium" >&2
  if [ "${REQUIRE_BROWSER:-}" = 1 ]; then exit 1; fi
  echo "THE PAGE WILL NOT BE TESTED." >&2
  exit 0
fi
if ! present chromium-headless-shell && ! install chromium-headless-shell; then
  echo "The browser tests run in the whole Chromium, which takes twice as long." >&2
fi
