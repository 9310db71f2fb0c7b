"""Messages of tasks, as Celery makes them and a broker's queues hold them."""
