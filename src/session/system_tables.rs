//! stub

/// stub
#[derive(Debug)]
pub struct Facade {}
