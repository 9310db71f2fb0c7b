"""The arguments of tasks: their types, their form, and how they are read from JSON."""
