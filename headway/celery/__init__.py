"""Celery with Headway: the backend and what surrounds it. Nothing else imports Celery or kombu."""
