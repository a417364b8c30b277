"""A script that somebody enqueues a function of: it exits when it is imported."""

import sys

sys.exit("to be run, and not imported")
