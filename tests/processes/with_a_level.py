"""A worker of somebody who wants to know of nothing but warnings. Not to be imported by a test."""

import logging

import rq_steps

logging.getLogger("rq_steps").setLevel(logging.WARNING)


class Worker(rq_steps.Worker):
    pass
