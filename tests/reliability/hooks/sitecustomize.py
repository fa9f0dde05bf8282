"""Runs at the start of each process of a command that is to be killed: the points of all of them are counted together.

A process dies where the file of points, to which each adds a byte, is as long as CRASH_AT says.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

if "CRASH_AT" in os.environ:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from on_demand import note_requests
    from points import DIED, Points

    @dataclass
    class SharedPoints(Points):
        """Points of several processes, which do not write at the same time."""

        file: int = -1

        def reach(self, what, damage=lambda: None):
            with self.lock:
                os.write(self.file, b".")
                if os.fstat(self.file).st_size == self.die_at:
                    damage()
                    os._exit(DIED)

    place = os.environ["CRASH_BELOW"]
    note_requests(place)
    counted = os.open(f"{place}.points", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    SharedPoints(int(os.environ["CRASH_AT"]), place, file=counted).watch()
