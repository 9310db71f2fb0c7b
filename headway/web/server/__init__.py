"""Serves the app over HTTP: sockets, requests as RFC 9112 has them, each server's own way."""
