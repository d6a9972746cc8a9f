"""Memory and descriptors of the node, compared at the same moments of life."""

import os

MOST = 1.05  # times what it was before
INDEX = "index.sqlite"  # its readers are opened when they are needed, a few at the most, and stay
SLACK_DESCRIPTORS = 2  # a connection that is just ending


INDEX_BOUND_MIB = 32 + 8 * 2 + 4  # the writer's cache, those of idle readers, and what SQLite needs beside
MIB = 1 << 20


class Footprint:
    """Of a node's process when everything is at rest. `studies`: that it has worked off since its start. The index's
    caches are counted apart: they grow with the index, which is larger at the end of a run, up to their bound."""

    def __init__(self, node, studies):
        self.pid, self.studies = node.process.pid, studies
        self.index_mib = node.metric("glionode_index_memory_bytes") / MIB
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            resident = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
        self.mib = resident - self.index_mib
        self.descriptors = sum(not name.startswith(INDEX) for name in map(os.path.basename, self._open_files()))

    def _open_files(self):
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                yield os.readlink(f"/proc/{self.pid}/fd/{number}")
            except FileNotFoundError:
                pass  # closed meanwhile

    def __str__(self):
        return (f"{self.mib:.1f} MiB and {self.index_mib:.1f} of the index's, {self.descriptors} descriptors after {self.studies} "
                f"studies")


def compared(name, before, after):
    """(text, good?)"""
    descriptors = max(MOST * before.descriptors, before.descriptors + SLACK_DESCRIPTORS)
    good = after.mib <= MOST * before.mib and after.index_mib <= INDEX_BOUND_MIB and after.descriptors <= descriptors
    return f"chaos: {name}: {before}; then {after}: {'within' if good else 'NOT within'} 5 %", good
