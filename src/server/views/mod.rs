//! What the process shows of itself.

pub mod collector;
pub(super) mod console_rows;
pub mod dials;
pub(super) mod live;
pub mod pages;
pub mod view;
