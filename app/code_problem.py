"""Shows on every page, during development, why edited code cannot be loaded."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Flask, jsonify
from flask.typing import ResponseReturnValue


def show_code_problem(app: Flask, note: Path) -> None:
    """Have all pages show what `make run` writes into `note`, also those that are open."""
    development = Blueprint("development", __name__)

    @development.get("/code-problem")
    def read() -> ResponseReturnValue:
        """Return `{"problem": text}`; the text is empty if there is no problem."""
        response = jsonify(problem=note.read_text())
        response.headers["Cache-Control"] = "no-store"
        return response

    app.register_blueprint(development)
    app.context_processor(lambda: {"code_problem": note.read_text()})
