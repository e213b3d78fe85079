//! Clients' logins, as the cluster judges them.

pub mod conversation;
pub mod credential_book;
pub mod login_desk;
pub mod verification;
