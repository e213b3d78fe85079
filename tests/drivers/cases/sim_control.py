"""The simulated cluster alone: what its page of control does, a shard-aware driver notices."""
from stage import case


def run(stage, sim, driver, program, *more):
    child = stage.driver(driver, program, "--contact", sim.hosts[0], *more)
    code = child.wait(90)
    assert code == 0, "exit code %s: %s" % (code, child.last_errors())


@case(drivers=("python-scylla",), together=2)
def sim_changes_are_learnt_by_a_shard_aware_driver(stage):
    for like in ("2026.3", "6.2"):
        with stage.__class__() as own:
            sim = own.sim(3, 2, 16, 1, "--like", like)
            run(own, sim, "python-scylla", "tests/drivers/python/sim_direct.py", "--api", sim.api)


@case(drivers=("python-cassandra",), together=2)
def sim_serves_a_driver_that_knows_no_shards(stage):
    user = stage.sim(3, 2, 16, 1, "--user", "bob:secret")
    login = ("--user", "bob", "--password", "secret")
    run(stage, user, "python-cassandra", "tests/drivers/python/sim_legacy.py", *login)
