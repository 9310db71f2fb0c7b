"""Headway: slow work in the background, shown live and correctly in the browser.

from headway import progress, task
"""

from headway.registry import task

__all__ = ["task"]
