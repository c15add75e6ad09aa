"""A process knows itself from its children, even those that were forked in C."""

from __future__ import annotations

import os
from collections.abc import Callable
from ctypes import PyDLL

import pytest

from flagstaff.runtime.birthmark import Birthmark, Numbered, birthmark

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.mark.parametrize("make", [birthmark, Numbered])
def test_a_child_lacks_the_mark_of_its_parent(make: Callable[[], Birthmark]) -> None:
    mark = make()

    child = PyDLL(None).fork()
    if child == 0:
        os._exit(bool(mark[0]) or not make()[0])

    assert os.waitpid(child, 0)[1] == 0
    assert mark[0]
