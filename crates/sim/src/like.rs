//! Which ScyllaDB the simulated cluster imitates.

/// The imitated server, where versions differ in what clients can see.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Like {
    /// ScyllaDB 6.2: no counters or light-weight transactions on tablets.
    V6_2,
    /// ScyllaDB 2026.3: newer columns in the system tables.
    #[default]
    V2026_3,
}
