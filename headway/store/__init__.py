"""The record of each task in Redis, and all else that lies there."""
