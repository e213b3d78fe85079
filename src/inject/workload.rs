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
    /// Its kind, and its API version: an item of a `PodList` need not say that it is a Pod.
    kind: &'a str,
    version: &'a str,
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
pub(crate) fn objects<'a>(document: &'a Value) -> Vec<Object<'a>> {
    let of = |object, key: &str| {
        Value::as_str(Value::get(object, key).unwrap_or(&Value::Null)).unwrap_or_default()
    };
    let (kind, version) = (of(document, "kind"), of(document, "apiVersion"));
    let items = document.get("items").and_then(Value::as_array);
    match kind.strip_suffix("List").zip(items) {
        Some((kind, items)) => {
            let object = |(index, value): (usize, &'a Value)| {
                let own = of(value, "kind");
                let (kind, version) =
                    if own.is_empty() { (kind, version) } else { (own, of(value, "apiVersion")) };
                Object { path: vec!["items".into(), index.into()], value, kind, version }
            };
            items.iter().enumerate().map(object).collect()
        }
        None => vec![Object { path: Vec::new(), value: document, kind, version }],
    }
}

impl Object<'_> {
    /// Kind and name, as people read them.
    #[must_use]
    pub(crate) fn title(&self) -> String {
        let metadata = self.value.get("metadata");
        let named = |key| metadata.and_then(|metadata| metadata.get(key)).and_then(Value::as_str);
        let name = named("name").or_else(|| named("generateName")).unwrap_or_default();
        let kind = match self.kind {
            "" => "object".to_owned(),
            kind => kind.to_lowercase(),
        };
        format!("{kind} \"{name}\"")
    }

    /// Whether it makes pods that end by themselves.
    #[must_use]
    pub(crate) fn is_job(&self) -> bool {
        group(self.version) == Some("batch")
    }

    /// The way to the template of its pods, from the document's root; `None` without pods.
    #[must_use]
    pub(crate) fn template(&self) -> Option<Vec<PathPart>> {
        let (_, _, way) = WORKLOADS
            .iter()
            .find(|(of, name, _)| group(self.version) == Some(of) && self.kind == *name)?;
        let steps = way.iter().map(|key| PathPart::from(*key));
        Some(self.path.iter().cloned().chain(steps).collect())
    }
}

/// The group of an API version: `apps` of `apps/v1`.
fn group(version: &str) -> Option<&str> {
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    (!version.is_empty()).then_some(group)
}
