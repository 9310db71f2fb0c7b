"""Celery's settings in the reference application."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from kombu.entity import Exchange, Queue

from app.config import QUEUES

TRANSPORT_OPTIONS = {
    # Maintenance handles lost messages. A worker whose clock is ahead by this would redeliver
    # messages that others run.
    "visibility_timeout": 7 * 86400,
    "socket_timeout": 2,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    # A half-open connection is found within 11 s.
    "health_check_interval": 5,
}


def celery_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return Celery's settings from those of the application."""
    prefix = config["REDIS_KEY_PREFIX"]
    # Celery's own option, which puts the prefix before all that lies in Redis.
    prefixed = {"global_keyprefix": prefix} if prefix else {}
    return {
        "broker_url": config["CELERY_BROKER_URL"],
        "result_backend": f"headway.celery.backend.LiveBackend+{config['REDIS_URL']}",
        "headway_redis_setting": "REDIS_URL",
        "result_backend_transport_options": prefixed,
        "result_expires": config["TASK_TTL_DAYS"] * 86400,
        "headway_lease_seconds": config["LEASE_SECONDS"],
        "headway_cancel_grace_seconds": config["CANCEL_GRACE_SECONDS"],
        "headway_result_max_bytes": config["RESULT_MAX_BYTES"],
        # A worker stores there what it last saw of Redis, to notice a restored backup.
        "headway_data_dir": config["DATA_DIR"],
        "headway_files": config["FILES"] or config["DATA_DIR"] / "files",
        "headway_push_key": config["DATA_DIR"] / "push_key",
        "headway_push_contact": f"mailto:{parseaddr(config['MAIL_DEFAULT_SENDER'])[1]}",
        "redis_socket_timeout": 2.0,
        "redis_socket_connect_timeout": 2.0,
        "task_default_queue": "celery",
        "task_queues": [Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        "task_create_missing_queues": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_acks_late": True,
        "task_acks_on_failure_or_timeout": True,
        "task_reject_on_worker_lost": False,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": config["SHUTDOWN_SECONDS"],
        # How long to wait for a lost process's last messages; what it has stored itself stands
        # anyway.
        "worker_lost_wait": 1.0,
        "worker_hijack_root_logger": True,
        "broker_pool_acquire_timeout": 0.5,  # starts do not queue up behind a broker that hangs
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_transport_options": TRANSPORT_OPTIONS | prefixed,
    }
