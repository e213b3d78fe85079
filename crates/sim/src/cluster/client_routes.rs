//! `system.client_routes`: where the nodes are for clients behind a private endpoint.

use std::collections::BTreeMap;

/// Address and port by connection id and host id. Both port columns show the same port, since the
/// simulated cluster does not know whether the listener there speaks TLS.
pub(crate) type ClientRoutes = BTreeMap<(String, [u8; 16]), (String, u16)>;
