//! Responses, read only as far as needed.
