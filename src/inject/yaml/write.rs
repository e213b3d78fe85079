//! New nodes as YAML, in block style.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Spaces of one level.
pub(crate) const STEP: usize = 2;

/// Keys that people look for first.
const FIRST: [&str; 2] = ["name", "image"];

/// Words that some reader of YAML takes for something else than text.
const AMBIGUOUS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "none"];

/// Whether a value fits behind its key, on the same line.
#[must_use]
pub(crate) fn is_short(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(|item| !item.is_array() && !item.is_object()),
        Value::Object(entries) => entries.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// A short value on one line, without indentation.
#[must_use]
pub(crate) fn line(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(_) | Value::String(_) | Value::Null | Value::Bool(_) => spaced(value),
        Value::Number(_) | Value::Object(_) => spaced(value),
    }
}

/// JSON, which YAML in flow style takes, with a space behind each comma and colon.
#[must_use]
pub(crate) fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{}: {}", Value::from(key.as_str()), spaced(value))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// A value of several lines; all but the first are indented by `indent`, and the last has no end.
#[must_use]
pub(crate) fn block(value: &Value, indent: usize) -> String {
    let lines: Vec<String> = match value {
        Value::Object(entries) if !entries.is_empty() => {
            ordered(entries).map(|(key, value)| entry(key, value, indent)).collect()
        }
        Value::Array(items) if !is_short(value) => {
            items.iter().map(|item| format!("- {}", block(item, indent + STEP))).collect()
        }
        Value::Object(_)
        | Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => return line(value),
    };
    lines.join(&format!("\n{:indent$}", ""))
}

/// A key with its value; all lines but the first are indented by at least `indent`.
#[must_use]
pub(crate) fn entry(key: &str, value: &Value, indent: usize) -> String {
    let mut text = line(&Value::from(key));
    text.push(':');
    if is_short(value) {
        text.push(' ');
        text.push_str(&line(value));
    } else {
        let inner = indent + STEP;
        // Writing into a string cannot fail.
        write!(text, "\n{:inner$}{}", "", block(value, inner)).ok();
    }
    text
}

fn ordered(entries: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let is_first = |entry: &(&String, &Value)| FIRST.contains(&entry.0.as_str());
    let first = FIRST.iter().filter_map(|key| entries.get_key_value(*key));
    first.chain(entries.iter().filter(move |entry| !is_first(entry)))
}

/// Whether every reader takes it for this very text without quotes.
fn is_plain(text: &str) -> bool {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "._/-:".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(is_safe)
        && !text.ends_with(':')
        && !AMBIGUOUS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_written_so_that_every_reader_takes_it_for_the_same() {
        for (value, wanted) in [
            (json!("shardlane:0.1.0"), "shardlane:0.1.0"),
            (json!("/etc/x"), "/etc/x"),
            (json!("yes"), "\"yes\""),
            (json!("No"), "\"No\""),
            (json!("64Mi"), "\"64Mi\""),
            (json!("1e3"), "\"1e3\""),
            (json!(""), "\"\""),
            (json!("a b"), "\"a b\""),
            (json!("a:"), "\"a:\""),
            (json!(".inf"), "\".inf\""),
            (json!(9380), "9380"),
            (json!(true), "true"),
            (json!(["run", 1]), "[\"run\", 1]"),
            (json!({}), "{}"),
        ] {
            assert_eq!(line(&value), wanted);
        }
    }

    #[test]
    fn names_come_first_and_each_level_is_indented() {
        let value = json!([{"env": [{"value": "1", "name": "A"}], "args": ["x"], "name": "c"}, 7]);
        let wanted =
            "- name: c\n    args: [\"x\"]\n    env:\n      - name: A\n        value: \"1\"\n  - 7";
        assert_eq!(block(&value, 2), wanted);
    }
}
