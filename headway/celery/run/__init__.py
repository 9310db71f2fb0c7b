"""A run of a task: its body, and what that reports, writes, saves, asks and starts."""
