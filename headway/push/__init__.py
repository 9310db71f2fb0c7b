"""From Redis to the websockets: who watches what, and what each has seen."""
