//! Commands that hold a simulated cluster: left out of the image.

pub(crate) mod args; // their flags
pub mod demo; // the proxy at work
pub(crate) mod sim; // the cluster alone
