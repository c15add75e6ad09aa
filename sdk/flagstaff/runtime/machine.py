"""The one protocol that all work in the background follows.

A machine has no thread, no loop and no clock: it is asked what to do next and told what came of it.
A ``Worker`` drives it on a thread, a ``TaskDriver`` in an asyncio task, a test by hand.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

__all__ = ["Machine"]

Job = TypeVar("Job")
Answer = TypeVar("Answer")


class Machine(Protocol[Job, Answer]):
    """Work as a sequence of jobs; ``next`` and ``done`` are called by one driver only, never at once.

    A machine may have a method ``prepare``, to load what its jobs take: it is called on the driver's thread
    (a task's driver takes another one) before the first job, and no fork comes in between. One whose
    jobs wait for others may have a method ``interrupt``, to have such a wait end at once: it is called when
    the driver is to stop, by a task's driver in its loop, else from any thread.
    """

    def next(self, now: float) -> Job | float:
        """Return a job to perform at once, or the seconds to wait; ``math.inf`` waits until woken.

        ``now`` is ``Clock.monotonic()``. A wake-up may come at any time: the answer to it is to be
        asked again. A job that was given out and never came to ``done`` was lost with its thread or
        task; the next answer should give it out again.
        """
        ...

    def done(self, job: Job, answer: Answer | Exception, now: float) -> None:
        """Take in what came of a job: its answer, or what ``perform`` raised. Must not raise."""
        ...

    def perform(self, job: Job) -> Answer:
        """Do the job; the only method that may block or do I/O."""
        ...

    async def aperform(self, job: Job) -> Answer:
        """Do the same, awaiting instead of blocking."""
        ...
