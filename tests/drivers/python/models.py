"""What an application does with models of cqlengine, which sends each statement as text.

models.py --host HOST --keyspace KEYSPACE --keys COUNT; the tables `t`, `names` and `pairs` are there.
"""
import argparse

from cassandra.cluster import Cluster, EXEC_PROFILE_DEFAULT, ExecutionProfile
from cassandra.cqlengine import columns, connection
from cassandra.cqlengine.models import Model
from cassandra.cqlengine.query import BatchQuery, LWTException
from cassandra.policies import RoundRobinPolicy


class Number(Model):
    __table_name__ = "t"
    k = columns.Integer(primary_key=True)
    v = columns.Text()


class Name(Model):
    __table_name__ = "names"
    k = columns.Text(primary_key=True)
    v = columns.Integer()


class Pair(Model):
    __table_name__ = "pairs"
    a = columns.Text(partition_key=True)
    b = columns.Integer(partition_key=True)
    c = columns.Integer(primary_key=True)
    v = columns.Text()


def work(k):
    name = "ключ %d" % k
    Number.create(k=k, v="it's %d" % k)
    assert Number.get(k=k).v == "it's %d" % k
    Number.objects(k=k).update(v="changed")
    assert Number.objects(k=k).first().v == "changed"
    Name(k=name, v=k).save()
    assert [row.v for row in Name.filter(k=name)] == [k]
    if k % 10 == 0:
        # A row of conditional writes alone: their time is the server's, that of others the driver's.
        once = "once %d" % k
        Name.if_not_exists().create(k=once, v=k)
        Name.objects(k=once).iff(v=k).update(v=k + 1)
        try:
            Name.if_not_exists().create(k=once, v=0)
            raise AssertionError("created twice")
        except LWTException as e:
            assert e.existing["v"] == k + 1, e.existing
    Pair.create(a=name, b=-k, c=1, v="one")
    with BatchQuery() as batch:
        Pair.batch(batch).create(a=name, b=-k, c=2, v="two")
        Pair.objects(a=name, b=-k, c=1).batch(batch).delete()
    assert [row.v for row in Pair.objects(b=-k, a=name)] == ["two"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--host", required=True)
    p.add_argument("--keyspace", required=True)
    p.add_argument("--keys", type=int, required=True)
    args = p.parse_args()
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=30)
    cluster = Cluster([args.host], execution_profiles={EXEC_PROFILE_DEFAULT: profile}, connect_timeout=10)
    connection.register_connection("default", session=cluster.connect(), default=True)
    for model in (Number, Name, Pair):
        model.__keyspace__ = args.keyspace
    for k in range(args.keys):
        work(k)
    cluster.shutdown()


if __name__ == "__main__":
    main()
