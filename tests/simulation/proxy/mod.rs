//! The shell around the engines, played without tasks and sockets.

pub(crate) mod control; // stands in for the control connection
pub(crate) mod demand; // lanes that are opened when requests ask for them
pub(crate) mod dialing; // opens the connections that pools order
pub(crate) mod greeting; // what is said before a connection is anybody's
pub(crate) mod lanes; // lanes' connections, and their end
pub(crate) mod memory; // what workers hold, together
pub(crate) mod passing; // large answers, which are not copied
pub(crate) mod table_reads; // what the control connection reads of single tables
pub(crate) mod worker; // reads, feeds an engine, writes
pub(crate) mod workers; // the workers
