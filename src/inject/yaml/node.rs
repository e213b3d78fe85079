//! A document of a YAML text, with the place of each node.

use serde_json::{Map, Value};

/// A node and the bytes that it takes.
#[derive(Clone, Debug)]
pub(crate) struct YamlNode {
    /// What it is.
    pub kind: YamlKind,
    /// Offset of its first byte.
    pub start: usize,
    /// Offset behind its last byte, comments and line ends after it left out.
    pub end: usize,
    /// Characters before it on its line.
    pub column: usize,
    /// Whether it has an anchor, so that aliases may stand for it elsewhere.
    pub is_anchored: bool,
}

/// Kinds of nodes. A collection in flow style is in brackets; another has a line for each item.
#[derive(Clone, Debug)]
pub(crate) enum YamlKind {
    /// Stands for the node with this anchor.
    Alias(usize),
    /// Text; one without quotes may also be a number, a truth value, or nothing.
    Scalar {
        /// Quotes and escapes undone.
        text: String,
        /// Without quotes.
        is_plain: bool,
    },
    /// A list.
    Sequence {
        /// Its items.
        items: Vec<YamlNode>,
        /// Whether it is in brackets.
        is_flow: bool,
    },
    /// Keys with their values.
    Mapping {
        /// Keys and values, in their order.
        entries: Vec<(YamlNode, YamlNode)>,
        /// Whether it is in braces.
        is_flow: bool,
    },
}

/// The key that takes over the entries of other mappings.
pub(crate) const MERGE: &str = "<<";

impl YamlNode {
    /// The text of a scalar.
    #[must_use]
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            YamlKind::Scalar { text, .. } => Some(text),
            YamlKind::Alias(_) | YamlKind::Sequence { .. } | YamlKind::Mapping { .. } => None,
        }
    }

    /// What it means. Plain scalars are truth values, whole numbers and null where all versions of YAML agree that they
    /// are; everything else is text: the text decides what Kubernetes reads, not this. An alias is the text `*N`.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            YamlKind::Alias(anchor) => Value::String(format!("*{anchor}")),
            YamlKind::Scalar { text, is_plain: false } => Value::String(text.clone()),
            YamlKind::Scalar { text, is_plain: true } => plain(text),
            YamlKind::Sequence { items, .. } => items.iter().map(Self::to_json).collect(),
            YamlKind::Mapping { entries, .. } => {
                let entry = |(key, value): &(Self, Self)| {
                    let key = key.text().map_or_else(|| key.to_json().to_string(), str::to_owned);
                    (key, value.to_json())
                };
                Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    // A leading zero is an octal number for some readers, and none for others.
    let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    number.map_or_else(|| Value::String(text.to_owned()), Value::from)
}
