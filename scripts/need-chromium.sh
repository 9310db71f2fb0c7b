#!/usr/bin/env bash
# Installs Debian's Chromium for the browser tests where there is none. Where it cannot, it says so loudly: those tests
# are then skipped at home, and with REQUIRE_BROWSER=1, as in CI, nothing is run at all.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
  command -v apt-get >/dev/null || return 1
  echo "Installing Chromium for the browser tests ..."
  as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
}

if ! install; then
  echo "NO BROWSER: Chromium is missing and could not be installed. On Debian: apt-get install chromium" >&2
  if [ "${REQUIRE_BROWSER:-}" = 1 ]; then exit 1; fi
  echo "THE PAGE WILL NOT BE TESTED." >&2
fi
