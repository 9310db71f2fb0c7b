"""Web Push: tells browsers that have no page open."""
