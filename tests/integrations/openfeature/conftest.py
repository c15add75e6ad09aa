from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("openfeature")

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.transaction_context import ContextVarsTransactionContextPropagator


@pytest.fixture(autouse=True)
def _own_api() -> Iterator[None]:
    """OpenFeature's state is the process's: each test leaves it as it was."""
    api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    yield
    api.clear_providers()
    api.clear_hooks()
    api.set_evaluation_context(EvaluationContext())
