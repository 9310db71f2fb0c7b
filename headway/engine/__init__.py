"""Websockets in every async mode. Nothing else reaches into python-engineio."""
