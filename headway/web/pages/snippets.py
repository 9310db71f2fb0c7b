"""Commands that read a task from a terminal and from Python, ready to be copied."""

from __future__ import annotations

PLACEHOLDER = "TOKEN"  # for a reader who has no token yet


def curl(address: str, token: str) -> str:
    """Return a command that prints the snapshot at an address."""
    return f'curl -s -H "Authorization: Bearer {token or PLACEHOLDER}" "{address}"'


def python(address: str, token: str) -> str:
    """Return a program that prints the phase of the task at an address; it needs no package."""
    return f"""import json
import urllib.request

request = urllib.request.Request(
    "{address}",
    headers={{"Authorization": "Bearer {token or PLACEHOLDER}"}},
)
with urllib.request.urlopen(request) as answer:
    task = json.load(answer)
print(task["phase"], task["current"], task["total"])"""
