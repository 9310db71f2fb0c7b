"""What becomes of a task, stored in its record: sends, states, claims, ends, results."""
