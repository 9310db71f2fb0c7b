"""Files: those that tasks give out, and those that people upload for tasks."""
