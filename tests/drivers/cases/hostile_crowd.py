"""A short run of hostile.py: a crowd of hostile clients beside drivers that keep the rules."""
from stage import case, log

import hostile

QUIET_S, HOSTILE_S = 5, 60
# Of these the catalog of statements may take four. glibc as it is keeps 70, and 19 where only pieces of 128 KiB are mapped.
KEPT_MIB_MAX = 14


@case(deadline=420, python="python-cassandra", drivers=("python-scylla",))
def hostile_crowd(stage):
    """Times are not compared, since other cases run beside it: errors, memory, probes, and that the process lives are."""
    run = hostile.Hostile(stage)
    run.run(QUIET_S, HOSTILE_S)
    for line in run.table():
        log(line)
    faults = run.faults(compares_times=False, kept_mib_max=KEPT_MIB_MAX)
    assert not faults, "; ".join(faults)
