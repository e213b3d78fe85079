//! The parameters of a statement besides its text and values.

/// The parameters of one run.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The keyspace that `USE` chose on the connection.
    pub keyspace: Option<&'a str>,
    /// Rows a page; zero, negative or absent: unpaged.
    pub page_size: Option<i32>,
    /// Where the last page ended.
    pub paging_state: Option<&'a [u8]>,
    /// The client's default timestamp in microseconds.
    pub timestamp_micros: Option<i64>,
    /// The time now, in microseconds since 1970.
    pub now_micros: i64,
    /// Whether the consistency is SERIAL or LOCAL_SERIAL.
    pub serial: bool,
    /// Rows that only the node knows.
    pub system: &'a dyn SystemRows,
}

/// One row: a cell for each column of the table, in the order of `Table::columns`.
pub(crate) type SystemRow = Vec<Option<Vec<u8>>>;

/// Values of a key column, one of which the rows that are asked for have; `None`: any. Others may be
/// made, and are not shown.
pub(crate) type Wanted<'a> = Option<&'a [Vec<u8>]>;

/// Whether a row with this value is asked for.
pub(crate) fn is_wanted(wanted: Wanted<'_>, value: &[u8]) -> bool {
    wanted.is_none_or(|values| values.iter().any(|it| it == value))
}

/// Rows that only a node knows: `system.local`, `system.peers`, `system.tablets` and the like.
pub(crate) trait SystemRows {
    /// The rows of a table, at least those of the partitions that are `wanted`; `None`: the rows that
    /// were written with CQL are shown. It is not called for `system_schema`.
    fn rows(&self, keyspace: &str, table: &str, wanted: Wanted<'_>) -> Option<Vec<SystemRow>>;

    /// The name of the cluster.
    fn cluster_name(&self) -> &str;
}

/// A node without rows of its own, for tests.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NoSystemRows;

#[cfg(test)]
impl SystemRows for NoSystemRows {
    fn rows(&self, _: &str, _: &str, _: Wanted<'_>) -> Option<Vec<SystemRow>> {
        None
    }

    fn cluster_name(&self) -> &str {
        "simulated"
    }
}
