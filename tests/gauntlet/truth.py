"""How many calls were accepted, written where a kill can't reach it."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

__all__ = ["Truth"]

_number = struct.Struct("<Q")


class Truth:
    """A number in a shared file; the kernel keeps it whatever becomes of the process that wrote it."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            born = path.with_name(f".{path.name}")
            born.write_bytes(bytes(_number.size))
            born.rename(path)  # whoever sees it sees it whole
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _number.size)

    @property
    def accepted(self) -> int:
        (number,) = _number.unpack_from(self._map)
        return int(number)

    @accepted.setter
    def accepted(self, number: int) -> None:
        _number.pack_into(self._map, 0, number)
