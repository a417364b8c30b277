"""A worker of somebody who has set up the root logger before RQ looks whether anybody has.

Not to be imported by a test.
"""

import logging

import rq_steps

logging.basicConfig(format="ROOT %(message)s", level=logging.INFO)


class Worker(rq_steps.Worker):
    pass
