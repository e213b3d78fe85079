//! Where an object of Kubernetes has the template of its pods.

use serde_json::Value;

use crate::inject::operation::PathPart;

/// One object, or an item of a list.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// Where it is in the document.
    pub path: Vec<PathPart>,
    /// It.
    pub value: &'a Value,
}

/// Kinds with pods: group, kind, and the way to the template, which has `metadata` and `spec`.
const WORKLOADS: &[(&str, &str, &[&str])] = &[
    ("", "Pod", &[]),
    ("", "ReplicationController", &["spec", "template"]),
    ("apps", "Deployment", &["spec", "template"]),
    ("apps", "StatefulSet", &["spec", "template"]),
    ("apps", "DaemonSet", &["spec", "template"]),
    ("apps", "ReplicaSet", &["spec", "template"]),
    ("batch", "Job", &["spec", "template"]),
    ("batch", "CronJob", &["spec", "jobTemplate", "spec", "template"]),
];

/// The object of a document, or those of its list.
#[must_use]
pub(crate) fn objects(document: &Value) -> Vec<Object<'_>> {
    let is_list = kind(document).ends_with("List");
    let items = is_list.then(|| document.get("items")?.as_array()).flatten();
    match items {
        Some(items) => {
            let path = |index: usize| vec!["items".into(), index.into()];
            let object = |(index, value)| Object { path: path(index), value };
            items.iter().enumerate().map(object).collect()
        }
        None => vec![Object { path: Vec::new(), value: document }],
    }
}

impl Object<'_> {
    /// Kind and name, as people read them.
    #[must_use]
    pub(crate) fn title(&self) -> String {
        let metadata = self.value.get("metadata");
        let named = |key| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
        let name = named("name").or_else(|| named("generateName")).unwrap_or_default();
        let kind = match kind(self.value) {
            "" => "object".to_owned(),
            kind => kind.to_lowercase(),
        };
        format!("{kind} \"{name}\"")
    }

    /// Whether it makes pods that end by themselves.
    #[must_use]
    pub(crate) fn is_job(&self) -> bool {
        group(self.value) == Some("batch")
    }

    /// The way to the template of its pods, from the document's root; `None` without pods.
    #[must_use]
    pub(crate) fn template(&self) -> Option<Vec<PathPart>> {
        let (_, _, way) = WORKLOADS
            .iter()
            .find(|(of, name, _)| group(self.value) == Some(of) && kind(self.value) == *name)?;
        let steps = way.iter().map(|key| PathPart::from(*key));
        Some(self.path.iter().cloned().chain(steps).collect())
    }
}

/// The group of an API version: `apps` of `apps/v1`.
fn group(object: &Value) -> Option<&str> {
    let version = object.get("apiVersion")?.as_str()?;
    Some(version.rsplit_once('/').map_or("", |(group, _)| group))
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}
