from __future__ import annotations

import pytest

from flagstaff.testing import Exposure, Exposures, Tracked


@pytest.fixture
def seen() -> Exposures:
    made = Exposures()
    made.record(Exposure("cta", "urgent", "wording", "7"))
    made.record(Exposure("cta", "urgent", "wording", "7"))
    made.record(Exposure("cta", "calm", "wording", "user-2"))
    made.tracked.append(Tracked("bought", "7", 49.9, {"currency": "EUR"}))
    return made


def test_it_is_a_sequence(seen: Exposures) -> None:
    assert len(seen) == 2
    assert seen[0] == ("cta", "urgent", "wording", "7")
    assert seen[-1:] == [Exposure("cta", "calm", "wording", "user-2")]
    assert [exposure.variant for exposure in seen.of("cta")] == ["urgent", "calm"]
    assert seen == list(seen)
    assert seen != []


def test_what_holds_passes(seen: Exposures) -> None:
    seen.assert_seen("cta")
    seen.assert_seen("cta", "urgent")
    seen.assert_seen("cta", "urgent", unit="7")
    seen.assert_seen("cta", unit=7)
    seen.assert_seen_once("cta", "calm")
    seen.assert_not_seen("banner")
    seen.assert_not_seen("cta", "control")
    seen.assert_tracked("bought", value=49.9)
    Exposures().assert_none()


LIST = "exposures:\n  cta = urgent for 7, in wording\n  cta = calm for user-2, in wording"


def test_what_does_not_hold_says_what_was_seen_instead(seen: Exposures) -> None:
    def failure(assertion: str, *args: object, **named: object) -> str:
        with pytest.raises(AssertionError) as caught:
            getattr(seen, assertion)(*args, **named)
        return str(caught.value)

    assert failure("assert_seen", "cta", "control") == f"nobody met cta = control\n{LIST}"
    assert failure("assert_seen", "cta", unit="8") == f"nobody met cta for 8\n{LIST}"
    assert failure("assert_seen_once", "cta") == f"cta was met 2 times, not once\n{LIST}"
    assert failure("assert_not_seen", "cta", "calm") == f"somebody met cta = calm\n{LIST}"
    assert failure("assert_none") == f"there should be no exposure\n{LIST}"
    told = "tracked:\n  bought for 7: value=49.9, currency='EUR'"
    assert failure("assert_tracked", "bought", value=1.0) == f"not tracked: bought, value=1.0\n{told}"
    assert failure("assert_tracked", "sold") == f"not tracked: sold\n{told}"


def test_nothing_at_all_is_said_too(seen: Exposures) -> None:
    seen.clear()

    with pytest.raises(AssertionError, match=r"^nobody met cta\nexposures: none$"):
        seen.assert_seen("cta")
    with pytest.raises(AssertionError, match=r"^not tracked: bought\ntracked: none$"):
        seen.assert_tracked("bought")
