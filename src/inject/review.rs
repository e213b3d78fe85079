//! From an AdmissionReview of the API server to its answer, which allows every pod.

use serde_json::{Value, json};
use thiserror::Error;

use crate::inject::base64;
use crate::inject::operation::to_patch;
use crate::inject::plan::{Plan, Scope, plan};
use crate::inject::sidecar::Sidecar;

const VERSION: &str = "admission.k8s.io/v1";

/// Longest warning, bytes: kubectl shows it on one line, and the API server cuts longer ones.
const WARNING_BYTES_MAX: usize = 256;

/// Why there is no answer. The API server then admits the pod by its `failurePolicy`.
#[derive(Debug, Error)]
pub(crate) enum ReviewError {
    /// No JSON.
    #[error("not JSON: {0}")]
    Unreadable(serde_json::Error),
    /// Something else than a question about an object.
    #[error("not an AdmissionReview of {VERSION} with a request and its uid")]
    Foreign,
}

/// An answer, and what it does.
#[derive(Debug)]
pub(crate) struct Review {
    /// The AdmissionReview to send back.
    pub answer: Value,
    /// Namespace and name of the object, for the log; the name of a pod is not known before it is there.
    pub object: String,
    /// What it does.
    pub verdict: ReviewVerdict,
}

/// What an answer does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ReviewVerdict {
    /// The pod gets a sidecar.
    Injected,
    /// The object stays as it is, as it should.
    Left(&'static str),
    /// The pod stays as it is, though it asks for a sidecar; a warning says why.
    Refused(String),
}

/// The answer to a request's body. Whatever is asked about is allowed.
pub(crate) fn review(body: &[u8], defaults: &Sidecar) -> Result<Review, ReviewError> {
    let asked: Value = serde_json::from_slice(body).map_err(ReviewError::Unreadable)?;
    let text = |pointer: &str| asked.pointer(pointer).and_then(Value::as_str);
    if (text("/apiVersion"), text("/kind")) != (Some(VERSION), Some("AdmissionReview")) {
        return Err(ReviewError::Foreign);
    }
    let uid = text("/request/uid").ok_or(ReviewError::Foreign)?;
    let is_new_pod = text("/request/kind/kind") == Some("Pod")
        && text("/request/kind/group") == Some("")
        && text("/request/operation") == Some("CREATE")
        && matches!(text("/request/subResource"), None | Some(""));
    let object = asked.pointer("/request/object").unwrap_or(&Value::Null);
    let planned = if is_new_pod {
        plan(object, &[], None, Scope::Annotated, defaults)
    } else {
        Plan::Leave("it is no new pod")
    };
    let mut response = json!({"uid": uid, "allowed": true});
    let mut add = |key: &str, value: Value| {
        if let Some(members) = response.as_object_mut() {
            members.insert(key.to_owned(), value);
        }
    };
    let verdict = match planned {
        Plan::Change(operations) => {
            let patch = to_patch(&operations).to_string();
            add("patchType", "JSONPatch".into());
            add("patch", base64::encode(patch.as_bytes()).into());
            ReviewVerdict::Injected
        }
        Plan::Leave(why) => ReviewVerdict::Left(why),
        Plan::Refuse(why) => {
            add("warnings", json!([warning(&why)]));
            ReviewVerdict::Refused(why)
        }
    };
    let named = |key: &str| text(&format!("/request/object/metadata/{key}"));
    let name = named("name").or_else(|| named("generateName")).unwrap_or_default();
    let object = format!("{}/{name}", text("/request/namespace").unwrap_or_default());
    let answer = json!({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response});
    Ok(Review { answer, object, verdict })
}

/// One line that kubectl shows.
fn warning(why: &str) -> String {
    let mut text: String =
        format!("shardlane: no sidecar: {why}").chars().filter(|c| !c.is_control()).collect();
    while text.len() > WARNING_BYTES_MAX {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests;
