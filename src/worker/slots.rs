//! What a worker looks at besides its sockets, each under a number of its own.

/// Messages of the rest of the process.
pub(super) const COMMANDS: usize = 0;
/// Reports about connections that are opened.
pub(super) const REPORTS: usize = 1;
/// Clients that are past their TLS handshake.
pub(super) const HANDSHAKEN: usize = 2;
/// The number of the first socket.
pub(super) const FIRST_SOCKET: usize = 3;
/// Messages of each kind that are taken in one round.
pub(super) const MESSAGES_IN_A_ROW: usize = 64;
