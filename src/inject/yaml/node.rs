//! A document of a YAML text, with the place of each node.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::inject::operation::PathPart;

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
    /// Its anchor, by which aliases stand for it elsewhere; 0 for none.
    pub anchor: usize,
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
    /// are; everything else is text: the text decides what Kubernetes reads, not this. An alias means what its anchor
    /// has; one without an anchor before it in this document is the text `*N`.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        self.meaning(&mut HashMap::new())
    }

    fn meaning(&self, anchors: &mut HashMap<usize, Value>) -> Value {
        let meaning = match &self.kind {
            YamlKind::Alias(anchor) => {
                let found = anchors.get(anchor).cloned();
                found.unwrap_or_else(|| Value::String(format!("*{anchor}")))
            }
            YamlKind::Scalar { text, is_plain: false } => Value::String(text.clone()),
            YamlKind::Scalar { text, is_plain: true } => plain(text),
            YamlKind::Sequence { items, .. } => {
                items.iter().map(|item| item.meaning(anchors)).collect()
            }
            YamlKind::Mapping { entries, .. } => {
                let (mut members, mut merged) = (Map::new(), Vec::new());
                for (key, value) in entries {
                    let name = match key.text() {
                        Some(text) => text.to_owned(),
                        None => key.meaning(anchors).to_string(),
                    };
                    match (name == MERGE, value.meaning(anchors)) {
                        (true, Value::Object(other)) => merged.push(Value::Object(other)),
                        (true, Value::Array(others)) => merged.extend(others),
                        (_, value) => drop(members.insert(name, value)),
                    }
                }
                // The first that has a key counts, and its own keys before those.
                for (key, value) in merged.iter().filter_map(Value::as_object).flatten() {
                    members.entry(key).or_insert_with(|| value.clone());
                }
                Value::Object(members)
            }
        };
        if self.anchor != 0 {
            anchors.insert(self.anchor, meaning.clone());
        }
        meaning
    }

    /// The member or the item that a step leads to.
    #[must_use]
    pub(crate) fn child(&self, step: &PathPart) -> Option<&Self> {
        match (step, &self.kind) {
            (PathPart::Key(key), YamlKind::Mapping { entries, .. }) => {
                let found = entries.iter().find(|(found, _)| found.text() == Some(key));
                found.map(|(_, value)| value)
            }
            (PathPart::Index(index), YamlKind::Sequence { items, .. }) => items.get(*index),
            (
                PathPart::Key(_) | PathPart::Index(_),
                YamlKind::Alias(_)
                | YamlKind::Scalar { .. }
                | YamlKind::Sequence { .. }
                | YamlKind::Mapping { .. },
            ) => None,
        }
    }

    /// The nodes in it: items, or keys and values.
    fn children(&self) -> Vec<&Self> {
        match &self.kind {
            YamlKind::Alias(_) | YamlKind::Scalar { .. } => Vec::new(),
            YamlKind::Sequence { items, .. } => items.iter().collect(),
            YamlKind::Mapping { entries, .. } => {
                entries.iter().flat_map(|(key, value)| [key, value]).collect()
            }
        }
    }

    /// Whether it or a node in it has an anchor.
    #[must_use]
    pub(crate) fn has_anchor(&self) -> bool {
        self.anchor != 0 || self.children().into_iter().any(Self::has_anchor)
    }

    /// A key that its mapping has had before, in it or in a node in it.
    #[must_use]
    pub(crate) fn repeated_key(&self) -> Option<&Self> {
        if let YamlKind::Mapping { entries, .. } = &self.kind {
            let mut seen = HashSet::new();
            let mut keys = entries.iter().map(|(key, _)| key);
            let repeated = keys.find(|key| key.text().is_some_and(|text| !seen.insert(text)));
            if repeated.is_some() {
                return repeated;
            }
        }
        self.children().into_iter().find_map(Self::repeated_key)
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
