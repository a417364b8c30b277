"""Found on the PYTHONPATH by every Python that RQ's tests start: command lines, spawned horses."""

import sys
import traceback

try:
    import stand_in

    stand_in.install()
except Exception:
    # Python itself would go on, with RQ's own workers and somebody else's server.
    traceback.print_exc()
    sys.exit("RQ's tests cannot run with other workers")
