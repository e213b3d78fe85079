//! From a pod to the changes that give it a sidecar.

use serde_json::{Map, Value, json};

use crate::inject::choice::{self, INJECT, PREFIX};
use crate::inject::operation::{Operation, PatchKind, PathPart};
use crate::inject::sidecar::{CONTAINER, HOST, Mode, PORT, PORTS, Sidecar, USER};

/// Containers of service meshes through which a pod's connections go.
const MESH_PROXIES: [&str; 3] = ["istio-proxy", "linkerd-proxy", "kuma-sidecar"];

/// Containers of the same meshes that set a pod's network up, or check it, and end.
const MESH_SETUP: [&str; 6] = [
    "istio-init",
    "istio-validation",
    "linkerd-init",
    "linkerd-network-validator",
    "kuma-init",
    "kuma-validation",
];

/// What becomes of a pod.
#[derive(Debug, PartialEq)]
pub(crate) enum Plan {
    /// It gets a sidecar by these changes.
    Change(Vec<Operation>),
    /// It stays as it is, as it should.
    Leave(&'static str),
    /// It stays as it is, though a sidecar may be wanted.
    Refuse(String),
}

/// Which pods get a sidecar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// All but those that want none.
    All,
    /// Those that ask for one.
    Annotated,
}

/// The changes of `pod`, which has `metadata` and `spec` and is at `path`. `outer` are annotations of the object that it
/// is the template of; its own count more.
#[must_use]
pub(crate) fn plan(
    pod: &Value,
    path: &[PathPart],
    outer: Option<&Value>,
    scope: Scope,
    defaults: &Sidecar,
) -> Plan {
    let sidecar = match wanted(pod, outer, scope, defaults) {
        Ok(sidecar) => sidecar,
        Err(plan) => return plan,
    };
    let mut changes = Changes { path, operations: Vec::new() };
    match changes.make(pod, &sidecar) {
        Ok(()) => Plan::Change(changes.operations),
        Err(fault) => Plan::Refuse(fault),
    }
}

/// The sidecar that a pod should get.
fn wanted(
    pod: &Value,
    outer: Option<&Value>,
    scope: Scope,
    defaults: &Sidecar,
) -> Result<Sidecar, Plan> {
    let annotations = ours(outer).chain(ours(pod.pointer("/metadata/annotations")));
    let annotations: Map<String, Value> =
        annotations.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let fault = |name: &str, fault: &str| Plan::Refuse(format!("{PREFIX}{name} {fault}"));
    if let Some((name, _)) = annotations.iter().find(|(_, value)| !value.is_string()) {
        return Err(fault(name, "is no text; put it in quotes"));
    }
    let asked = annotations.get(INJECT).and_then(Value::as_str);
    match (asked, scope) {
        (Some("enabled" | "true"), _) | (None, Scope::All) => {}
        (Some("disabled" | "false"), _) => return Err(Plan::Leave("its annotation wants none")),
        (None, Scope::Annotated) => return Err(Plan::Leave("its annotations ask for none")),
        (Some(other), _) => {
            let text = format!("takes \"enabled\" or \"disabled\", not {other:?}");
            return Err(fault(INJECT, &text));
        }
    }
    let spec = pod.get("spec").and_then(Value::as_object);
    let spec = spec.ok_or_else(|| Plan::Refuse("its pod has no spec".to_owned()))?;
    let lists = ["initContainers", "containers"].map(|key| spec.get(key).and_then(Value::as_array));
    let mut containers = lists.into_iter().flatten().flatten();
    if containers.any(|container| name(container) == Some(CONTAINER)) {
        return Err(Plan::Leave("it has one already"));
    }
    if spec.get("hostNetwork") == Some(&json!(true)) {
        let text = "its pod uses the host's network, whose port 9042 may be taken";
        return Err(Plan::Refuse(text.to_owned()));
    }
    if is_for_windows(pod) {
        return Err(Plan::Refuse("its pod is for Windows".to_owned()));
    }
    let mut sidecar = defaults.clone();
    for (name, value) in annotations.iter().filter(|(name, _)| *name != INJECT) {
        let value = value.as_str().unwrap_or_default();
        let set = choice::of_annotation(name).and_then(|choice| choice.set(&mut sidecar, value));
        set.map_err(|text| fault(name, &text))?;
    }
    if let Some((container, port)) = taken_port(spec, sidecar.mode) {
        let text =
            format!("its container {container:?} listens on port {port}, as the sidecar would");
        return Err(Plan::Refuse(text));
    }
    if let Some(resources) = spec.get("resources") {
        sidecar.fit(resources);
    }
    sidecar.check().map_err(Plan::Refuse)?;
    Ok(sidecar)
}

/// A container that declares a port of the sidecar as its own, and that port: all containers of a pod share its addresses.
/// An init container that ends has ended before a classic sidecar starts.
fn taken_port(spec: &Map<String, Value>, mode: Mode) -> Option<(&str, u16)> {
    let list = |key: &str| spec.get(key).and_then(Value::as_array).into_iter().flatten();
    let is_beside = |c: &&Value| mode == Mode::Native || is_native(c);
    let mut containers = list("initContainers").filter(is_beside).chain(list("containers"));
    containers.find_map(|c| Some((name(c).unwrap_or_default(), port_of_sidecar(c)?)))
}

/// A port of the sidecar that a container declares as its own.
fn port_of_sidecar(container: &Value) -> Option<u16> {
    let declared = container.get("ports").and_then(Value::as_array)?;
    let is_tcp = |port: &&Value| {
        matches!(port.get("protocol"), None | Some(Value::Null)) || port["protocol"] == "TCP"
    };
    let number = |port: &Value| port.get("containerPort").and_then(Value::as_u64);
    declared
        .iter()
        .filter(is_tcp)
        .filter_map(number)
        .find_map(|number| PORTS.into_iter().find(|port| u64::from(*port) == number))
}

/// Whether a pod says that it runs on Windows only: by its system, or by the label of the nodes that it wants.
fn is_for_windows(pod: &Value) -> bool {
    let places = [
        "/spec/os/name",
        "/spec/nodeSelector/kubernetes.io~1os",
        "/spec/nodeSelector/beta.kubernetes.io~1os",
    ];
    places.iter().any(|place| pod.pointer(place) == Some(&json!("windows")))
}

/// Which container of its list the sidecar comes before. It is the first one, but for the proxy of a service mesh: that
/// one may catch all connections of the pod from the beginning, and passes none on before it is up, so that a sidecar
/// before it would wait for the cluster for ever.
fn place_of_sidecar(pod: &Value, mode: Mode) -> usize {
    let list = |key: &str| pod.pointer(&format!("/spec/{key}")).and_then(Value::as_array);
    match mode {
        Mode::Native => {
            let last = list("initContainers")
                .and_then(|all| all.iter().rposition(|c| is_mesh_proxy(c) && is_native(c)));
            last.map_or(0, |last| last + 1)
        }
        // One that is not the first is not waited for by the application either.
        Mode::Classic => {
            usize::from(list("containers").and_then(|all| all.first()).is_some_and(is_mesh_proxy))
        }
    }
}

/// Whether an init container stays, and is a sidecar itself.
fn is_native(container: &Value) -> bool {
    container.get("restartPolicy") == Some(&json!("Always"))
}

fn is_mesh_proxy(container: &Value) -> bool {
    name(container).is_some_and(|name| MESH_PROXIES.contains(&name))
}

/// Whether a container belongs to a service mesh, and not to the application.
fn is_of_mesh(container: &Value) -> bool {
    is_mesh_proxy(container) || name(container).is_some_and(|name| MESH_SETUP.contains(&name))
}

/// Annotations with our prefix, without it.
fn ours(annotations: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let members = annotations.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)))
}

fn name(container: &Value) -> Option<&str> {
    container.get("name").and_then(Value::as_str)
}

/// Changes as they are made. What is set comes first and what is put into lists last, so that no place of an item
/// moves before it is used.
struct Changes<'a> {
    path: &'a [PathPart],
    operations: Vec<Operation>,
}

impl Changes<'_> {
    fn make(&mut self, pod: &Value, sidecar: &Sidecar) -> Result<(), String> {
        let mut inserted = Vec::new();
        for list in ["initContainers", "containers"] {
            // Before a classic sidecar, init containers would find nothing at its address.
            if list == "initContainers" && sidecar.mode == Mode::Classic {
                continue;
            }
            let containers = pod.pointer(&format!("/spec/{list}")).unwrap_or(&Value::Null);
            let containers = items(containers, list)?;
            let own = containers.iter().enumerate().filter(|(_, container)| !is_of_mesh(container));
            for (index, container) in own {
                let path = self.at(&["spec", list], Some(index));
                inserted.extend(self.set_variables(path, container, sidecar)?);
            }
        }
        self.add_label(pod)?;
        let is_grouped = pod.pointer("/spec/securityContext/fsGroup").is_some_and(|v| !v.is_null());
        if sidecar.has_secrets() && !is_grouped {
            // Lets the sidecar's user read the secrets, whose files belong to this group.
            self.set_member(pod, &["spec", "securityContext"], "fsGroup", json!(USER))?;
        }
        let list = match sidecar.mode {
            Mode::Native => "initContainers",
            Mode::Classic => "containers",
        };
        let place = place_of_sidecar(pod, sidecar.mode);
        inserted.extend(self.insert(pod, &["spec", list], place, vec![sidecar.container()])?);
        inserted.extend(self.add_volumes(pod, sidecar.volumes())?);
        self.operations.extend(inserted);
        Ok(())
    }

    /// Volumes that the sidecar mounts; an API server takes no two of one name.
    fn add_volumes(&mut self, pod: &Value, new: Vec<Value>) -> Result<Option<Operation>, String> {
        let present = items(pod.pointer("/spec/volumes").unwrap_or(&Value::Null), "spec.volumes")?;
        let is_ours =
            |old: &&Value| name(old).is_some() && new.iter().any(|v| name(v) == name(old));
        if let Some(taken) = present.iter().find(is_ours).and_then(name) {
            return Err(format!("its pod has a volume {taken:?}, whose name the sidecar's needs"));
        }
        self.insert(pod, &["spec", "volumes"], 0, new)
    }

    /// The label by which the sidecar is found and scraped.
    fn add_label(&mut self, pod: &Value) -> Result<(), String> {
        let (label, value) = (format!("{PREFIX}sidecar"), json!("true"));
        match pod.get("metadata") {
            None | Some(Value::Null) => {
                let path = self.at(&["metadata"], None);
                let value = json!({"labels": {label: value}});
                self.operations.push(Operation { path, patch: PatchKind::Set(value) });
                Ok(())
            }
            Some(_) => self.set_member(pod, &["metadata", "labels"], &label, value),
        }
    }

    /// Sets a member of the object at `place`, which is made if it is not there.
    fn set_member(
        &mut self,
        pod: &Value,
        place: &[&str],
        key: &str,
        value: Value,
    ) -> Result<(), String> {
        let mut path = self.at(place, None);
        let patch = match pod.pointer(&format!("/{}", place.join("/"))) {
            None | Some(Value::Null) => PatchKind::Set(json!({key: value})),
            Some(Value::Object(members)) if members.is_empty() => {
                PatchKind::Set(json!({key: value}))
            }
            Some(Value::Object(_)) => {
                path.push(key.into());
                PatchKind::Set(value)
            }
            Some(Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return Err(format!("{} is no object", place.join(".")));
            }
        };
        self.operations.push(Operation { path, patch });
        Ok(())
    }

    /// Puts `values` into the list at `place`, before the item with this index; without a list it is made at once.
    fn insert(
        &mut self,
        pod: &Value,
        place: &[&str],
        before: usize,
        values: Vec<Value>,
    ) -> Result<Option<Operation>, String> {
        let path = self.at(place, None);
        let found = pod.pointer(&format!("/{}", place.join("/"))).unwrap_or(&Value::Null);
        if items(found, &place.join("."))?.is_empty() {
            let patch = PatchKind::Set(Value::Array(values));
            self.operations.push(Operation { path, patch });
            return Ok(None);
        }
        Ok(Some(Operation { path, patch: PatchKind::Insert(before, values) }))
    }

    /// Leads one container of the application to the sidecar; what comes before its other variables is handed back.
    fn set_variables(
        &mut self,
        path: Vec<PathPart>,
        container: &Value,
        sidecar: &Sidecar,
    ) -> Result<Option<Operation>, String> {
        let hosts = sidecar.contact_points_env.iter().map(|name| (name, HOST));
        let wanted = hosts.chain(sidecar.port_env.iter().map(|name| (name, PORT)));
        let present = items(container.get("env").unwrap_or(&Value::Null), "env")?;
        let mut path = path;
        path.push("env".into());
        let mut added = Vec::new();
        for (variable, value) in wanted {
            let new = json!({"name": variable, "value": value});
            let found = present.iter().enumerate().filter(|(_, old)| name(old) == Some(variable));
            let mut is_there = false;
            for (index, old) in found {
                is_there = true;
                if *old != new {
                    let mut path = path.clone();
                    path.push(index.into());
                    self.operations.push(Operation { path, patch: PatchKind::Set(new.clone()) });
                }
            }
            if !is_there {
                added.push(new);
            }
        }
        if added.is_empty() {
            return Ok(None);
        }
        if present.is_empty() {
            self.operations.push(Operation { path, patch: PatchKind::Set(Value::Array(added)) });
            return Ok(None);
        }
        Ok(Some(Operation { path, patch: PatchKind::Insert(0, added) }))
    }

    fn at(&self, keys: &[&str], index: Option<usize>) -> Vec<PathPart> {
        let keys = keys.iter().map(|key| PathPart::from(*key));
        self.path.iter().cloned().chain(keys).chain(index.map(PathPart::Index)).collect()
    }
}

/// The items of a list; none where there is no list.
fn items<'a>(found: &'a Value, what: &str) -> Result<&'a [Value], String> {
    match found {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(format!("{what} is no list"))
        }
    }
}

#[cfg(test)]
mod tests;
