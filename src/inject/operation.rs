//! One change of an object.

use serde_json::{Map, Value, json};

/// A part of a path into an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PathPart {
    /// The member with this name.
    Key(String),
    /// The item at this place.
    Index(usize),
}

impl From<&str> for PathPart {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for PathPart {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// What is done at a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PatchKind {
    /// The member, or the item that is there, becomes this.
    Set(Value),
    /// These become items of the list, before the one that has this place; behind the last one, where none has.
    Insert(usize, Vec<Value>),
}

/// One change. Those of one plan are in such an order that each path leads to the same place in the original as in what
/// the changes before it have made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    /// From the root of the object.
    pub path: Vec<PathPart>,
    /// What is done there.
    pub patch: PatchKind,
}

/// The changes as a JSON Patch (RFC 6902).
#[must_use]
pub(crate) fn to_patch(operations: &[Operation]) -> Value {
    operations.iter().flat_map(Operation::to_patch).collect()
}

impl Operation {
    fn to_patch(&self) -> Vec<Value> {
        let path = pointer(&self.path);
        match &self.patch {
            PatchKind::Set(value) => {
                // `add` to an object replaces a member; to a list, it would make another item.
                let is_item = matches!(self.path.last(), Some(PathPart::Index(_)));
                let op = if is_item { "replace" } else { "add" };
                vec![json!({"op": op, "path": path, "value": value})]
            }
            PatchKind::Insert(place, values) => {
                let path = format!("{path}/{place}");
                let add = |value| json!({"op": "add", "path": path, "value": value});
                values.iter().rev().map(add).collect()
            }
        }
    }

    /// Changes `object`; `None` when the path leads nowhere.
    pub(crate) fn apply(&self, object: &mut Value) -> Option<()> {
        match &self.patch {
            PatchKind::Set(value) => {
                let (last, before) = self.path.split_last()?;
                match (last, walk(object, before)?) {
                    (PathPart::Key(key), Value::Object(members)) => {
                        members.insert(key.clone(), value.clone());
                    }
                    (PathPart::Index(index), Value::Array(items)) => {
                        *items.get_mut(*index)? = value.clone();
                    }
                    (PathPart::Key(_) | PathPart::Index(_), _) => return None,
                }
            }
            PatchKind::Insert(place, values) => {
                let items = walk(object, &self.path)?.as_array_mut()?;
                if *place > items.len() {
                    return None;
                }
                items.splice(place..place, values.iter().cloned());
            }
        }
        Some(())
    }
}

fn walk<'a>(object: &'a mut Value, path: &[PathPart]) -> Option<&'a mut Value> {
    path.iter().try_fold(object, |at, step| match step {
        PathPart::Key(key) => {
            at.as_object_mut().and_then(|members: &mut Map<_, _>| members.get_mut(key))
        }
        PathPart::Index(index) => at.as_array_mut()?.get_mut(*index),
    })
}

/// A path as JSON Pointer (RFC 6901).
#[must_use]
pub(crate) fn pointer(path: &[PathPart]) -> String {
    let part = |step: &PathPart| match step {
        PathPart::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        PathPart::Index(index) => format!("/{index}"),
    };
    path.iter().map(part).collect()
}

/// A path as people write it: `spec.containers[0].env`.
#[must_use]
pub(crate) fn readable(path: &[PathPart]) -> String {
    let part = |step: &PathPart| match step {
        PathPart::Key(key) if key.contains(['.', '/']) => format!("[{key:?}]"),
        PathPart::Key(key) => format!(".{key}"),
        PathPart::Index(index) => format!("[{index}]"),
    };
    let text: String = path.iter().map(part).collect();
    match text.strip_prefix('.').unwrap_or(&text) {
        "" => "the document".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_become_a_json_patch() {
        let labels = vec!["labels".into(), "shardlane.dev/a~b".into()];
        let items = vec!["items".into()];
        let operations = [
            Operation { path: labels, patch: PatchKind::Set(json!("x")) },
            Operation { path: vec!["items".into(), 0.into()], patch: PatchKind::Set(json!(3)) },
            Operation { path: items.clone(), patch: PatchKind::Insert(1, vec![json!(4)]) },
            Operation { path: items, patch: PatchKind::Insert(0, vec![json!(1), json!(2)]) },
        ];
        assert_eq!(
            to_patch(&operations),
            json!([
                {"op": "add", "path": "/labels/shardlane.dev~1a~0b", "value": "x"},
                {"op": "replace", "path": "/items/0", "value": 3},
                {"op": "add", "path": "/items/1", "value": 4},
                {"op": "add", "path": "/items/0", "value": 2},
                {"op": "add", "path": "/items/0", "value": 1},
            ])
        );
        let mut object = json!({"labels": {}, "items": [0]});
        for operation in &operations {
            operation.apply(&mut object).unwrap();
        }
        assert_eq!(object, json!({"labels": {"shardlane.dev/a~b": "x"}, "items": [1, 2, 3, 4]}));
    }

    #[test]
    fn a_path_that_leads_nowhere_changes_nothing() {
        let mut object = json!({"a": [1], "b": 1});
        let at = |path: Vec<PathPart>, patch| Operation { path, patch };
        for operation in [
            at(vec![], PatchKind::Set(json!(1))),
            at(vec!["b".into(), "c".into()], PatchKind::Set(json!(1))),
            at(vec!["a".into(), 1.into()], PatchKind::Set(json!(1))),
            at(vec!["b".into()], PatchKind::Insert(0, vec![])),
            at(vec!["a".into()], PatchKind::Insert(2, vec![json!(1)])),
        ] {
            assert_eq!(operation.apply(&mut object), None, "{operation:?}");
        }
        assert_eq!(object, json!({"a": [1], "b": 1}));
    }
}
