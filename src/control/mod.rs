//! One watching connection: topology and schema become snapshots.
