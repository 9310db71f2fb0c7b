"""HTTP: the server, what a request is, the JSON endpoints, and the pages."""
