"""The JSON endpoints, and the document that describes them."""
