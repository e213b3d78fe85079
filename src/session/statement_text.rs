//! What a statement's text asks, as far as the session must know.

/// stub
pub fn is_select(text: &str) -> bool {
    text.trim_start().get(..6).is_some_and(|w| w.eq_ignore_ascii_case("select"))
}
