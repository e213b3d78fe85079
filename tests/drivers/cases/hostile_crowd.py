"""A short run of hostile.py: a crowd of hostile clients beside drivers that keep the rules."""
from stage import case, log

import hostile

QUIET_S, HOSTILE_S = 5, 60
# What pages stay depends on what the machine let run when: glibc as it is keeps 70 MiB, and ours some 5 to 12.
KEPT_MIB_MAX = 24


@case(deadline=420, python="python-cassandra", drivers=("python-scylla",))
def hostile_crowd(stage):
    """Times are not compared, since other cases run beside it: errors, memory, probes, and that the process lives are."""
    run = hostile.Hostile(stage)
    run.run(QUIET_S, HOSTILE_S)
    for line in run.table():
        log(line)
    faults = run.faults(compares_times=False, kept_mib_max=KEPT_MIB_MAX)
    assert not faults, "; ".join(faults)
