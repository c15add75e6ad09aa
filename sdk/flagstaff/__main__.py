"""``python -m flagstaff`` is the ``flagstaff`` command."""

from __future__ import annotations

from flagstaff.cli import main

if __name__ == "__main__":
    main()
