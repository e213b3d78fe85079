//! A simulated ScyllaDB cluster, for the demo, the tests and anybody's drivers.
