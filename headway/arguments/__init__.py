"""What a task says of its arguments: types, form, and how they are read from JSON."""
