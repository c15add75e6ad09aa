"""What the page on testing tells its reader to write, run by pytest."""

from __future__ import annotations

import pytest

from tests.docs.pages import ROOT, blocks

pytest_plugins = ["pytester"]


def test_the_tests_on_the_page_pass(pytester: pytest.Pytester) -> None:
    told = [block.text for block in blocks(ROOT / "sdk" / "docs" / "testing.md", "python")]
    pytester.makepyfile("\n\n".join(told))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error")

    result.assert_outcomes(passed=3 + 4 + 1 + 5)
