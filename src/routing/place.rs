//! Where the rows of a statement are, as far as its text and its values say.

use crate::routing::decision::Reason;
use crate::topology::table::TableId;
use cql::token::token::Token;

/// Where a statement's rows are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// In the partition of this token, or from there on.
    At(TableId, Token),
    /// Anywhere, for this reason.
    Nowhere(Reason),
}
