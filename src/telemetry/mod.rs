//! Numbers and logs.
