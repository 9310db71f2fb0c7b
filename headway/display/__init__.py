"""How a task is shown to people: its words, numbers and order, in their language."""
