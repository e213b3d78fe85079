//! Logins of clients, as the cluster judges them.

pub mod conversation;
pub mod login_service;
pub mod verification;
