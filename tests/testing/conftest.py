from __future__ import annotations

# Also where the plugin has not been installed.
from rq_steps.pytest_plugin import _live_jobs_server, live_jobs

__all__ = ["_live_jobs_server", "live_jobs"]
