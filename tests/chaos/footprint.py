"""Memory and descriptors of the node, compared at the same moments of life."""

import os

MOST = 1.05  # times what it was before
INDEX = "index.sqlite"  # its readers are opened when they are needed, a few at the most, and stay
SLACK_DESCRIPTORS = 2  # a connection that is just ending


class Footprint:
    """Of one process when everything is at rest. `studies`: that it has worked off since its start."""

    def __init__(self, process, studies):
        self.pid, self.studies = process.pid, studies
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            self.mib = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
        self.descriptors = sum(not name.startswith(INDEX) for name in map(os.path.basename, self._open_files()))

    def _open_files(self):
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                yield os.readlink(f"/proc/{self.pid}/fd/{number}")
            except FileNotFoundError:
                pass  # closed meanwhile

    def __str__(self):
        return f"{self.mib:.1f} MiB, {self.descriptors} descriptors after {self.studies} studies"


def compared(name, before, after):
    """(text, good?)"""
    good = after.mib <= MOST * before.mib and after.descriptors <= max(MOST * before.descriptors,
                                                                       before.descriptors + SLACK_DESCRIPTORS)
    return f"chaos: {name}: {before}; then {after}: {'within' if good else 'NOT within'} 5 %", good
