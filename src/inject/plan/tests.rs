//! Pods that get a sidecar, and what it is like.

use std::collections::BTreeSet;

use super::*;
use crate::inject::operation::to_patch;

/// The containers, `LIST/INDEX`, whose variables a plan changes.
fn led(pod: &Value, mode: Mode) -> BTreeSet<String> {
    let sidecar = Sidecar {
        mode,
        contact_points: Some("scylla".to_owned()),
        contact_points_env: vec!["HOSTS".to_owned()],
        port_env: vec!["PORT".to_owned()],
        ..Sidecar::default()
    };
    let plan = plan(pod, &[], None, Scope::All, &sidecar);
    let Plan::Change(operations) = plan else { panic!("{plan:?}") };
    let patch = to_patch(&operations);
    let paths = patch.as_array().unwrap().iter().map(|step| step["path"].as_str().unwrap());
    let containers = paths.filter_map(|path| Some(path.split_once("/env")?.0.to_owned()));
    containers.map(|path| path.replace("/spec/", "")).collect()
}

/// The container that a pod gets, or why it gets none.
fn sidecar_of(pod: &Value, mode: Mode) -> Result<Value, String> {
    let contact_points = Some("scylla".to_owned());
    let defaults = Sidecar { mode, contact_points, ..Sidecar::default() };
    match wanted(pod, None, Scope::All, &defaults) {
        Ok(sidecar) => Ok(sidecar.container()),
        Err(plan) => Err(format!("{plan:?}")),
    }
}

#[test]
fn an_init_container_that_ends_keeps_its_port_from_a_native_sidecar_alone() {
    let pod = |more: Value| {
        let mut migrate = json!({"name": "migrate", "ports": [{"containerPort": 9042}]});
        migrate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"spec": {"initContainers": [migrate], "containers": [{"name": "orders"}]}})
    };
    let (ends, stays) = (pod(json!({})), pod(json!({"restartPolicy": "Always"})));
    assert!(sidecar_of(&ends, Mode::Classic).is_ok());
    for (pod, mode) in [(&ends, Mode::Native), (&stays, Mode::Native), (&stays, Mode::Classic)] {
        let refused = sidecar_of(pod, mode).unwrap_err();
        assert!(refused.contains("migrate") && refused.contains("9042"), "{refused}");
    }
}

#[test]
fn a_sidecar_lives_within_the_resources_of_its_pod() {
    let resources = |of_pod: Value| {
        let pod = json!({"spec": {"resources": of_pod, "containers": [{"name": "orders"}]}});
        sidecar_of(&pod, Mode::Native).map(|container| container["resources"].clone())
    };
    let usual = json!({
        "requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"memory": "256Mi"},
    });
    assert_eq!(resources(json!({})), Ok(usual));
    let both = resources(json!({
        "requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": 2, "memory": "2Gi"},
    }));
    let within = json!({
        "requests": {"cpu": "0", "memory": "0"}, "limits": {"memory": "256Mi"},
    });
    assert_eq!(both, Ok(within), "what the application reserves is not exceeded");
    let little = resources(json!({"limits": {"memory": "100Mi"}}));
    let less = json!({
        "requests": {"cpu": "250m", "memory": "0"}, "limits": {"memory": "100Mi"},
    });
    assert_eq!(little, Ok(less));
    let refused = resources(json!({"limits": {"memory": "8Mi"}})).unwrap_err();
    assert!(refused.contains("16Mi at least"), "{refused}");
}

#[test]
fn containers_of_a_mesh_keep_their_variables() {
    let all = |names: &[&str]| -> Value {
        let with = |name: &&str| json!({"name": name, "env": [{"name": "HOSTS", "value": "a"}]});
        let without = |name: &&str| json!({"name": name});
        names.iter().map(with).chain(names.iter().map(without)).collect()
    };
    let pod = json!({"spec": {
        "initContainers": all(&[&["migrate"], &MESH_SETUP[..], &MESH_PROXIES].concat()),
        "containers": all(&[&["orders"], &MESH_PROXIES[..]].concat()),
    }});
    let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    let own: BTreeSet<_> = set(&["containers/0", "containers/4"]);
    assert_eq!(led(&pod, Mode::Classic), own);
    let all: BTreeSet<_> = set(&["initContainers/0", "initContainers/10"]);
    assert_eq!(led(&pod, Mode::Native), &own | &all);
}
