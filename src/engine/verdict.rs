//! What became of a client's login: the cluster's word, which the shell brings.

use crate::upstream::lane::PoolId;
use cql::error_code::ErrorCode;

/// What became of a client's login.
#[derive(Clone, Copy, Debug)]
pub enum LoginVerdict<'a> {
    /// The cluster accepts it: the client uses the lanes of `base`, once there is one.
    Granted {
        /// The plain lanes with its rights.
        base: PoolId,
        /// The message of the node's AUTH_SUCCESS.
        success: &'a [u8],
    },
    /// The node answered with an ERROR of this message.
    Refused(&'a [u8]),
    /// The node asks for more, with this challenge.
    Challenged(&'a [u8]),
    /// The login could not be judged; the code and text of our ERROR.
    Unknown(ErrorCode, &'a str),
}
