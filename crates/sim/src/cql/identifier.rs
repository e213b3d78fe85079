//! Names as CQL writes them.

use crate::cql::parser::cursor::RESERVED;

/// The name, in double quotes unless it can stand without them.
pub(crate) fn maybe_quoted(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if starts && name.chars().all(rest) && !RESERVED.contains(&name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes.
pub(crate) fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_names_that_are_not_reserved_go_without_quotes() {
        assert_eq!(maybe_quoted("a_1"), "a_1");
        assert_eq!(maybe_quoted("Upper"), "\"Upper\"");
        assert_eq!(maybe_quoted("select"), "\"select\"");
        assert_eq!(maybe_quoted("1a"), "\"1a\"");
        assert_eq!(maybe_quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted_text("it's"), "'it''s'");
    }
}
