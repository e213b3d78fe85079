//! From a YAML text to the same text with sidecars in its pods.

use serde_json::Value;
use thiserror::Error;

use crate::inject::operation::{Operation, PathPart};
use crate::inject::plan::{self, Plan, Scope};
use crate::inject::sidecar::{Mode, Sidecar};
use crate::inject::workload::{Object, objects};
use crate::inject::yaml::edit::{Edit, EditError, apply, edit};
use crate::inject::yaml::node::YamlNode;
use crate::inject::yaml::read::{ReadError, documents};

/// A text with sidecars, and what was done to each object.
#[derive(Debug)]
pub(crate) struct Injected {
    /// The new text.
    pub text: String,
    /// One line for each object.
    pub report: Vec<String>,
}

/// Why a text is not changed at all.
#[derive(Debug, Error)]
pub(crate) enum ManifestError {
    /// It is no YAML.
    #[error("not YAML: {0}")]
    Unreadable(ReadError),
    /// Objects that may want a sidecar cannot get one.
    #[error("{}", refused.join("\n  "))]
    Refused {
        /// One line for each of them.
        refused: Vec<String>,
        /// One line for each other object.
        others: Vec<String>,
    },
}

/// Adds a sidecar to the template of each pod that does not refuse it. Documents and objects without pods stay as they
/// are, byte by byte, and so does all else but the lines that are new.
pub(crate) fn inject(text: &str, defaults: &Sidecar) -> Result<Injected, ManifestError> {
    let (mut report, mut refused, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let (mut edits, mut wanted) = (Vec::new(), Vec::new());
    for document in documents(text).map_err(ManifestError::Unreadable)? {
        let before = document.to_json();
        let mut after = before.clone();
        for object in objects(&before) {
            let title = object.title();
            let planned =
                match object.template().and_then(|_| repeated_key(text, &document, &object)) {
                    Some(fault) => Plan::Refuse(fault),
                    None => plan_object(&before, &object, defaults),
                };
            match planned {
                Plan::Leave(why) => {
                    report.push(format!("{title} skipped: {why}"));
                    others.push(format!("{title} skipped: {why}"));
                }
                Plan::Refuse(why) => refused.push(format!("{title}: {why}")),
                Plan::Change(operations) => {
                    match edit_all(text, &document, &operations, &mut after) {
                        Ok(more) => {
                            edits.extend(more);
                            others.push(format!("{title} not injected: nothing is written"));
                        }
                        Err(error) => refused.push(format!("{title}: {error}")),
                    }
                    report.push(format!("{title} injected"));
                    if object.is_job() && defaults.mode == Mode::Classic {
                        report.push(format!(
                            "{title} completes only when it stops its sidecar: POST /quitquitquit"
                        ));
                    }
                }
            }
        }
        wanted.push(after);
    }
    if !refused.is_empty() {
        return Err(ManifestError::Refused { refused, others });
    }
    // What was written must mean what was planned, however strange the text is.
    let is_planned = |new: &String| {
        let written = documents(new).ok();
        written.is_some_and(|all| all.iter().map(YamlNode::to_json).eq(wanted.iter().cloned()))
    };
    match apply(text, edits).filter(is_planned) {
        Some(text) => Ok(Injected { text, report }),
        None => {
            let refused = vec!["the text cannot be changed in place".to_owned()];
            Err(ManifestError::Refused { refused, others })
        }
    }
}

/// What is wrong with an object in which a key stands twice: readers take the one or the other, or refuse it.
fn repeated_key(text: &str, document: &YamlNode, object: &Object<'_>) -> Option<String> {
    let node = object.path.iter().try_fold(document, |node, step| node.child(step))?;
    let key = node.repeated_key()?;
    let line = text.get(..key.start)?.matches('\n').count() + 1;
    Some(format!("line {line}: the key {:?} is there twice", key.text().unwrap_or_default()))
}

fn plan_object(document: &Value, object: &Object<'_>, defaults: &Sidecar) -> Plan {
    let Some(path) = object.template() else { return Plan::Leave("it has no pods") };
    let template = path.iter().try_fold(document, |at, step| match step {
        PathPart::Key(key) => at.get(key),
        PathPart::Index(index) => at.get(index),
    });
    let annotations = object.value.pointer("/metadata/annotations");
    match template {
        Some(pod) => plan::plan(pod, &path, annotations, Scope::All, defaults),
        None => Plan::Refuse("it has no template for its pods".to_owned()),
    }
}

/// The edits for `operations`, which are made in `after` as well.
fn edit_all(
    text: &str,
    document: &YamlNode,
    operations: &[Operation],
    after: &mut Value,
) -> Result<Vec<Edit>, EditError> {
    let change = |operation: &Operation| {
        let new = edit(text, document, operation)?;
        operation.apply(after).ok_or_else(|| EditError::Form("a pod".to_owned()))?;
        Ok(new)
    };
    operations.iter().map(change).collect()
}

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;
