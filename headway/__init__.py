"""Headway: slow work in the background, shown live and correctly in the browser."""
