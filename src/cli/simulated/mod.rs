//! Commands that hold a simulated cluster: left out of the image.

pub mod args; // their flags
pub mod demo; // the proxy at work
pub mod sim; // the cluster alone
