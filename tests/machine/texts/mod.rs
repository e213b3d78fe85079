//! Statements by text.

pub(crate) mod keys;
pub(crate) mod refused_shapes;
pub(crate) mod routed_texts;
pub(crate) mod shaped_texts;
pub(crate) mod shapes;
pub(crate) mod text_modes;
