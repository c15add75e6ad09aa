"""A child process inherits a worker without its thread; nothing may hang, and it works again."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

SDK = Path(__file__).parents[2] / "sdk"

_PRELUDE = """
    import os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what this is about
    from flagstaff.runtime.clock import SystemClock
    from flagstaff.runtime.worker import Worker

    class Machine:
        def __init__(self):
            self.pids = []
            self.wanted = 0
        def next(self, now):
            return "job" if len(self.pids) < self.wanted else float("inf")
        def done(self, job, answer, now):
            self.pids.append(answer)
        def perform(self, job):
            return os.getpid()

    class Owner:
        def __init__(self):
            self.forks = 0
            self.machine = Machine()
            self.worker = Worker(self.machine, "test", SystemClock(), on_fork=self.forked)
        def forked(self):
            self.forks += 1
            assert not self.worker.alive

    def eventually(condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def in_child(body):
        pid = os.fork()
        if pid == 0:
            try:
                body()
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr)
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
"""


def run(body: str) -> None:
    """Run a program in a process of its own: forking the test runner itself would be no kindness."""
    program = textwrap.dedent(_PRELUDE) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(SDK)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_child_has_no_thread_and_can_start_one() -> None:
    run("""
        owner = Owner()
        owner.machine.wanted = 1
        owner.worker.start()
        eventually(lambda: len(owner.machine.pids) == 1)

        def child():
            assert threading.active_count() == 1
            assert owner.forks == 1 and not owner.worker.alive
            owner.machine.wanted = 2
            owner.worker.wake()
            assert owner.worker.start()
            eventually(lambda: len(owner.machine.pids) == 2)
            assert owner.machine.pids[1] == os.getpid()
            assert owner.worker.stop(5)

        in_child(child)
        assert owner.forks == 0 and owner.worker.alive
        owner.machine.wanted = 2
        owner.worker.wake()
        eventually(lambda: owner.machine.pids == [os.getpid()] * 2)
    """)


def test_locks_that_were_held_during_the_fork_do_not_hang_the_child() -> None:
    run("""
        owner = Owner()
        owner.worker.start()
        held, let_go = threading.Event(), threading.Event()

        def hold():
            with owner.worker._guard:
                held.set()
                let_go.wait(20)

        threading.Thread(target=hold, daemon=True).start()
        held.wait(20)

        def child():
            owner.machine.wanted = 1
            owner.worker.wake()
            assert owner.worker.start()
            eventually(lambda: owner.machine.pids == [os.getpid()])

        in_child(child)
        let_go.set()
    """)


def test_a_child_of_a_child_works_too_and_an_owner_that_is_gone_is_not_called() -> None:
    run("""
        import gc
        owner, gone = Owner(), Owner()
        owner.worker.start()
        kept = gone.worker
        del gone
        gc.collect()

        def grandchild():
            assert owner.forks == 2
            owner.machine.wanted = 1
            owner.worker.start()
            eventually(lambda: owner.machine.pids == [os.getpid()])

        def child():
            owner.worker.start()
            in_child(grandchild)

        in_child(child)
    """)


def test_a_fork_out_of_a_job_leaves_the_child_without_the_loop_of_its_parent() -> None:
    run("""
        class Forker(Machine):
            child = None
            def perform(self, job):
                self.child = os.fork()
                return self.child

        machine = Forker()
        machine.wanted = 1
        worker = Worker(machine, "test", SystemClock())
        worker.start()
        eventually(lambda: machine.child)  # in the child, the thread that forked ends with its loop
        assert os.waitpid(machine.child, 0)[1] == 0
    """)


def test_a_loop_of_a_child_gets_its_own_task() -> None:
    run("""
        import asyncio
        from flagstaff.runtime.task import TaskDriver

        class Awaited(Machine):
            async def aperform(self, job):
                return os.getpid()

        machine = Awaited()
        driver = TaskDriver(machine, "test", SystemClock())

        async def work(count):
            machine.wanted = count
            assert driver.start()
            driver.wake()
            while len(machine.pids) < count:
                await asyncio.sleep(0.001)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(work(1))
        assert driver.alive

        def child():
            import gc
            assert not driver.alive
            del globals()["loop"]
            gc.collect()  # the parent's task is pending for ever, and must not complain of it
            asyncio.run(work(2))
            assert machine.pids[1] == os.getpid()

        in_child(child)
        loop.run_until_complete(driver.stop(5))
        loop.close()
    """)
