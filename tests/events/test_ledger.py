"""Every event is accounted for."""

from __future__ import annotations

import json
import threading

from flagstaff.events.ledger import QUEUE_FULL, REJECTED, Ledger


def test_a_new_ledger_is_empty() -> None:
    assert Ledger().snapshot() == {"accepted": 0, "delivered": 0, "pending": 0, "dropped": {}, "losses": []}


def test_events_move_from_pending_to_delivered_or_dropped() -> None:
    ledger = Ledger()
    for _ in range(5):
        ledger.accept()
    ledger.deliver(2)
    ledger.drop(QUEUE_FULL, "cta", "calm")
    ledger.drop(QUEUE_FULL, "cta", "urgent")

    assert ledger.snapshot() == {
        "accepted": 5,
        "delivered": 2,
        "pending": 1,
        "dropped": {"queue_full": 2},
        "losses": [
            {"reason": "queue_full", "flag": "cta", "variant": "calm", "count": 1},
            {"reason": "queue_full", "flag": "cta", "variant": "urgent", "count": 1},
        ],
    }
    json.dumps(ledger.snapshot())


def test_losses_are_reported_once_and_the_weightiest_first() -> None:
    ledger = Ledger()
    for flag in ("a", "b", "b", "c", "c", "c"):
        ledger.drop(REJECTED, flag, "on")
    first = ledger.losses(2)
    assert [(loss["flag"], loss["count"]) for loss in first] == [("c", 3), ("b", 2)]
    assert ledger.losses(2) == first  # until they are known to have arrived
    ledger.drop(REJECTED, "c", "on")

    ledger.reported(first)

    assert ledger.unreported == 2
    assert {(loss["flag"], loss["count"]) for loss in ledger.losses(9)} == {("a", 1), ("c", 1)}
    ledger.reported(ledger.losses(9))
    assert (ledger.unreported, ledger.losses(9)) == (0, ())
    assert ledger.snapshot()["dropped"] == {"rejected": 7}


def test_a_child_process_counts_from_nothing() -> None:
    ledger = Ledger()
    ledger.accept()
    ledger.drop(REJECTED, "", "")

    ledger.forked()

    assert ledger.snapshot() == Ledger().snapshot()
    assert ledger.unreported == 0


def test_the_balance_holds_at_every_moment_for_every_thread() -> None:
    ledger = Ledger()
    done = threading.Event()

    def work() -> None:
        for index in range(2000):
            ledger.accept()
            if index % 3:
                ledger.deliver(1)
            else:
                ledger.drop(QUEUE_FULL, "f", str(index % 5))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not done.is_set():
        if not any(thread.is_alive() for thread in threads):
            done.set()
        counts = ledger.snapshot()
        assert 0 <= counts["pending"] <= 3
        settled = counts["delivered"] + sum(counts["dropped"].values())
        assert counts["accepted"] == settled + counts["pending"]
        assert sum(loss["count"] for loss in counts["losses"]) == sum(counts["dropped"].values())

    assert ledger.snapshot()["accepted"] == 6000
    assert ledger.snapshot()["pending"] == 0
