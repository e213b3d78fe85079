//! What the process shows of itself.

pub(crate) mod collector;
pub(super) mod console_rows;
pub(crate) mod dials;
pub(super) mod live;
pub(crate) mod pages;
pub(crate) mod view;
