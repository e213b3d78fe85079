//! From changes of a document to edits of its text.

use std::ops::Range;

use serde_json::Value;
use thiserror::Error;

use crate::inject::operation::{Operation, PatchKind, PathPart, readable};
use crate::inject::yaml::node::{MERGE, YamlKind, YamlNode};
use crate::inject::yaml::write::{STEP, block, entry, is_short, line, spaced};

/// New text for a range of bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Edit {
    /// What it takes the place of; empty where it is put in between.
    pub range: Range<usize>,
    /// What comes there.
    pub text: String,
}

/// Why a text cannot be changed in place.
#[derive(Debug, Error)]
pub(crate) enum EditError {
    /// The node would change for all that refer to it.
    #[error("{0} {1}: write it out")]
    Shared(String, &'static str),
    /// The text has a form that is not understood.
    #[error("{0} is written in a way that cannot be changed in place")]
    Form(String),
}

/// The edit that makes `operation` of the document `root` of `text`.
pub(crate) fn edit(text: &str, root: &YamlNode, operation: &Operation) -> Result<Edit, EditError> {
    let path = &operation.path;
    let form = || EditError::Form(readable(path));
    match &operation.patch {
        PatchKind::Insert(place, values) => {
            let node = walk(root, path)?;
            let YamlKind::Sequence { items, is_flow } = &node.kind else { return Err(form()) };
            insert(text, node, items, *is_flow, *place, values).ok_or_else(form)
        }
        PatchKind::Set(value) => {
            let (last, before) = path.split_last().ok_or_else(form)?;
            let parent = walk(root, before)?;
            match (last, &parent.kind) {
                (PathPart::Key(key), YamlKind::Mapping { entries, is_flow }) => {
                    let old = entries.iter().find(|(found, _)| found.text() == Some(key));
                    if old.is_some_and(|(_, old)| old.has_anchor()) {
                        return Err(EditError::Shared(readable(path), "has an anchor"));
                    }
                    match old {
                        Some((key, old)) => replace(text, key, old, *is_flow, value),
                        None if *is_flow => add_in_braces(text, parent, entries, key, value),
                        None => {
                            let first = entries.first().map(|(first, _)| first).ok_or_else(form)?;
                            let new = entry(key, value, first.column);
                            lines(text, first.start, first.column, &new)
                        }
                    }
                    .ok_or_else(form)
                }
                (PathPart::Index(index), YamlKind::Sequence { items, is_flow }) => {
                    let item = items.get(*index).ok_or_else(form)?;
                    if item.has_anchor() {
                        return Err(EditError::Shared(readable(path), "has an anchor"));
                    }
                    if let Some(edit) = change_one_entry(text, item, value) {
                        return Ok(edit);
                    }
                    let new = if *is_flow { spaced(value) } else { block(value, item.column) };
                    Ok(Edit { range: item.start..item.end, text: new })
                }
                (
                    PathPart::Key(_) | PathPart::Index(_),
                    YamlKind::Alias(_)
                    | YamlKind::Scalar { .. }
                    | YamlKind::Sequence { .. }
                    | YamlKind::Mapping { .. },
                ) => Err(form()),
            }
        }
    }
}

/// The text with all edits; of those at one place, the first in the list comes first.
#[must_use]
pub(crate) fn apply(text: &str, mut edits: Vec<Edit>) -> Option<String> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (mut new, mut at) = (String::new(), 0);
    for edit in edits {
        new.push_str(text.get(at..edit.range.start)?);
        new.push_str(&edit.text.replace('\n', end));
        at = edit.range.end;
    }
    new.push_str(text.get(at..)?);
    Some(new)
}

/// The node at `path`, if nothing on the way stands for something else or is referred to elsewhere.
fn walk<'a>(root: &'a YamlNode, path: &[PathPart]) -> Result<&'a YamlNode, EditError> {
    let mut node = own(root, &[])?;
    for (index, step) in path.iter().enumerate() {
        let here = path.get(..=index).unwrap_or(path);
        let next = node.child(step).ok_or_else(|| EditError::Form(readable(here)))?;
        node = own(next, here)?;
    }
    Ok(node)
}

/// A node that changes for nothing else than what is at its place.
fn own<'a>(node: &'a YamlNode, place: &[PathPart]) -> Result<&'a YamlNode, EditError> {
    let fault = match &node.kind {
        YamlKind::Alias(_) => Some("is an alias"),
        YamlKind::Mapping { .. } if node.child(&MERGE.into()).is_some() => Some("has a merge key"),
        YamlKind::Mapping { .. } | YamlKind::Scalar { .. } | YamlKind::Sequence { .. } => {
            (node.anchor != 0).then_some("has an anchor")
        }
    };
    fault.map_or(Ok(node), |fault| Err(EditError::Shared(readable(place), fault)))
}

/// Another value behind the colon of `key`.
fn replace(
    text: &str,
    key: &YamlNode,
    old: &YamlNode,
    is_flow: bool,
    value: &Value,
) -> Option<Edit> {
    let behind = text.get(key.end..)?;
    let colon = behind.len() - behind.trim_start_matches([' ', '\t']).len();
    let start = key.end + colon + 1;
    if text.get(start - 1..start)? != ":" {
        return None;
    }
    let new = if is_flow {
        format!(" {}", spaced(value))
    } else if is_short(value) {
        format!(" {}", line(value))
    } else {
        let indent = key.column + STEP;
        format!("\n{:indent$}{}", "", block(value, indent))
    };
    Some(Edit { range: start..old.end.max(start), text: new })
}

/// The edit of a mapping that becomes `value` by one entry in place of another, or by one more; the text around it stays.
fn change_one_entry(text: &str, item: &YamlNode, value: &Value) -> Option<Edit> {
    let YamlKind::Mapping { entries, is_flow } = &item.kind else { return None };
    let (before, after) = (item.to_json(), value.as_object()?);
    let is_kept = |name: &str| before.get(name).is_some_and(|old| after.get(name) == Some(old));
    let mut old = entries.iter().filter(|(key, _)| !key.text().is_some_and(is_kept));
    let mut new = after.iter().filter(|(name, _)| !is_kept(name));
    let (name, value) = new.next().filter(|_| new.next().is_none())?;
    match (old.next(), old.next()) {
        (Some((key, old)), None) if key.text() == Some(name) => {
            replace(text, key, old, *is_flow, value)
        }
        (Some((key, old)), None) => {
            let text = if *is_flow {
                format!("{}: {}", Value::from(name.as_str()), spaced(value))
            } else {
                entry(name, value, key.column)
            };
            Some(Edit { range: key.start..old.end, text })
        }
        (None, _) if *is_flow => add_in_braces(text, item, entries, name, value),
        (None, _) => {
            let (first, _) = entries.first()?;
            lines(text, first.start, first.column, &entry(name, value, first.column))
        }
        (Some(_), Some(_)) => None,
    }
}

/// Another entry before those in braces.
fn add_in_braces(
    text: &str,
    parent: &YamlNode,
    entries: &[(YamlNode, YamlNode)],
    key: &str,
    value: &Value,
) -> Option<Edit> {
    let inside = behind_bracket(text, parent, '{')?;
    let comma = if entries.is_empty() { "" } else { ", " };
    let new = format!("{}: {}{comma}", Value::from(key), spaced(value));
    Some(Edit { range: inside..inside, text: new })
}

/// More items in a list that has some, before the one at `place`, or behind the last.
fn insert(
    text: &str,
    node: &YamlNode,
    items: &[YamlNode],
    is_flow: bool,
    place: usize,
    values: &[Value],
) -> Option<Edit> {
    let (first, last) = (items.first()?, items.last()?);
    let next = items.get(place);
    if is_flow {
        let at = match next {
            Some(_) if place == 0 => behind_bracket(text, node, '[')?,
            Some(next) => next.start,
            None => last.end,
        };
        let item = |value| {
            if next.is_some() { spaced(value) + ", " } else { ", ".to_owned() + &spaced(value) }
        };
        return Some(Edit { range: at..at, text: values.iter().map(item).collect() });
    }
    let dash_of = |item: &YamlNode| -> Option<usize> {
        Some(text.get(..item.start)?.trim_end().strip_suffix('-')?.len())
    };
    // Where its lines are not indented, the list begins behind its first dash.
    let first_dash = if node.start < first.start { node.start } else { dash_of(first)? };
    let line_start = text.get(..first_dash)?.rfind('\n').map_or(0, |end| end + 1);
    let column = text.get(line_start..first_dash)?.chars().count();
    let item = |value: &Value| format!("- {}", block(value, column + STEP));
    let new: Vec<String> = values.iter().map(item).collect();
    let new = new.join(&format!("\n{:column$}", ""));
    match next {
        Some(_) if place == 0 => lines(text, first_dash, column, &new),
        Some(next) => lines(text, dash_of(next)?, column, &new),
        None => {
            // Behind the comment that may stand on its last line.
            let line_end =
                last.end + text.get(last.end..)?.find('\n').unwrap_or(text.len() - last.end);
            Some(Edit { range: line_end..line_end, text: format!("\n{:column$}{new}", "") })
        }
    }
}

/// New lines before what begins at `at` in `column`, above the comments that stand over it.
fn lines(text: &str, at: usize, column: usize, new: &str) -> Option<Edit> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    if !text.get(start..at)?.trim().is_empty() {
        // Behind a dash: what was first follows on a line of its own.
        return Some(Edit { range: at..at, text: format!("{new}\n{:column$}", "") });
    }
    let mut above = start;
    while let Some(before) = text.get(..above)?.strip_suffix('\n') {
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.get(line_start..)?.trim();
        if !line.is_empty() && !line.starts_with('#') {
            break;
        }
        above = line_start;
    }
    Some(Edit { range: above..above, text: format!("{:column$}{new}\n", "") })
}

fn behind_bracket(text: &str, node: &YamlNode, bracket: char) -> Option<usize> {
    text.get(node.start..)?.starts_with(bracket).then_some(node.start + 1)
}
