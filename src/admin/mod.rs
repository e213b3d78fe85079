//! The operator's pages: metrics and health.
