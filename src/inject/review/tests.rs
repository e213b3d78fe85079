//! AdmissionReviews as API servers send them, and the answers as golden files.

use std::path::{Path, PathBuf};
use std::{env, fs};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/admission")
}

fn defaults() -> Sidecar {
    Sidecar { contact_points: Some("scylla-client.scylla.svc".to_owned()), ..Sidecar::default() }
}

fn asked(name: &str) -> Value {
    let text = fs::read(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn reviewed(asked: &Value) -> Review {
    review(asked.to_string().as_bytes(), &defaults()).unwrap()
}

fn decode(text: &str) -> Value {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = text.trim_end_matches('=').chars();
    let bits: String = letters.map(|c| format!("{:06b}", alphabet.find(c).unwrap())).collect();
    let bytes = bits.as_bytes().chunks_exact(8);
    let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap();
    serde_json::from_slice(&bytes.map(byte).collect::<Vec<_>>()).unwrap()
}

/// Each NAME.json has its answer in NAME.answer.json, with the patch as JSON; `SHARDLANE_GOLDEN=write` writes it.
#[test]
fn every_recorded_review_has_the_answer_that_was_agreed() {
    let mut compared = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".json").filter(|name| !name.ends_with(".answer"))
        else {
            continue;
        };
        let mut answer = reviewed(&asked(name)).answer;
        if let Some(patch) = answer.pointer_mut("/response/patch") {
            *patch = decode(patch.as_str().unwrap());
        }
        let text = serde_json::to_string_pretty(&answer).unwrap() + "\n";
        let path = folder().join(format!("{name}.answer.json"));
        if env::var_os("SHARDLANE_GOLDEN").is_some_and(|value| value == "write") {
            fs::write(&path, &text).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(golden, text, "{name} is stale: SHARDLANE_GOLDEN=write writes it anew");
        compared += 1;
    }
    assert!(compared >= 10, "only {compared} reviews were found");
}

#[test]
fn only_a_new_pod_that_asks_for_a_sidecar_gets_one() {
    let pod = asked("deployment-pod");
    assert_eq!(reviewed(&pod).verdict, ReviewVerdict::Injected);
    assert_eq!(reviewed(&pod).object, "shop/orders-6d5f8c7b9d-");
    for (pointer, value) in [
        ("/request/operation", json!("UPDATE")),
        ("/request/kind/kind", json!("Deployment")),
        ("/request/kind/group", json!("example.com")),
        ("/request/subResource", json!("ephemeralcontainers")),
        ("/request/object/metadata/annotations", json!({})),
        ("/request/object/metadata/annotations", json!(null)),
        ("/request/object/metadata/annotations", json!({"shardlane.dev/inject": "disabled"})),
    ] {
        let mut other = pod.clone();
        let (before, key) = pointer.rsplit_once('/').unwrap();
        let members = other.pointer_mut(before).unwrap().as_object_mut().unwrap();
        members.insert(key.to_owned(), value);
        let review = reviewed(&other);
        assert!(matches!(review.verdict, ReviewVerdict::Left(_)), "{pointer}: {review:?}");
        let allowed = json!({"uid": pod["request"]["uid"], "allowed": true});
        assert_eq!(review.answer["response"], allowed);
    }
}

#[test]
fn a_pod_that_may_not_have_a_sidecar_is_warned_about_and_allowed() {
    for (name, why) in [("windows-pod", "for Windows"), ("host-network-pod", "host's network")] {
        let review = reviewed(&asked(name));
        assert!(
            matches!(&review.verdict, ReviewVerdict::Refused(said) if said.contains(why)),
            "{review:?}"
        );
        assert_eq!(review.answer["response"]["allowed"], true);
    }
}

#[test]
fn a_pod_that_an_api_server_would_refuse_with_a_sidecar_gets_none() {
    let (annotations, volumes) =
        ("/request/object/metadata/annotations", "/request/object/spec/volumes");
    for (pointer, value, why) in [
        (annotations, json!({"shardlane.dev/memory-limit": "16Mi"}), "more than memory-limit"),
        (annotations, json!({"shardlane.dev/memory-limit": "0"}), "more than memory-limit"),
        (annotations, json!({"shardlane.dev/memory-request": "1Gi"}), "more than memory-limit"),
        (annotations, json!({"shardlane.dev/cpu-request": "250Mi"}), "takes CPUs"),
        (annotations, json!({"shardlane.dev/memory-request": "500m"}), "takes bytes"),
        (
            volumes,
            json!([{"name": "shardlane-state", "emptyDir": {}}]),
            "volume \"shardlane-state\"",
        ),
    ] {
        let mut pod = asked("deployment-pod");
        let (before, key) = pointer.rsplit_once('/').unwrap();
        let members = pod.pointer_mut(before).unwrap().as_object_mut().unwrap();
        match (members.get_mut(key), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (_, value) => drop(members.insert(key.to_owned(), value)),
        }
        let review = reviewed(&pod);
        assert!(
            matches!(&review.verdict, ReviewVerdict::Refused(said) if said.contains(why)),
            "{pointer}: {review:?}"
        );
        assert_eq!(review.answer["response"].get("patch"), None);
        assert!(review.answer["response"]["warnings"][0].as_str().unwrap().contains(why));
    }
}

#[test]
fn a_pod_is_named_in_the_log_as_far_as_it_has_a_name() {
    for (name, object) in [
        ("statefulset-pod", "shop/orders-0"),
        ("daemonset-pod", "shop/collector-"),
        ("dry-run-pod", "shop/orders-6d5f8c7b9d-"),
    ] {
        assert_eq!(reviewed(&asked(name)).object, object);
    }
}

#[test]
fn a_patched_pod_is_left_when_it_is_asked_about_again() {
    for name in ["deployment-pod", "job-pod", "mesh-pod", "istio-native-pod", "linkerd-native-pod"]
    {
        let mut again = asked(name);
        let patch = decode(reviewed(&again).answer["response"]["patch"].as_str().unwrap());
        let object = again.pointer_mut("/request/object").unwrap();
        for operation in patch.as_array().unwrap() {
            let path = operation["path"].as_str().unwrap();
            let (before, last) = path.rsplit_once('/').unwrap();
            let last = last.replace("~1", "/").replace("~0", "~");
            match object.pointer_mut(before).unwrap() {
                Value::Object(members) => {
                    members.insert(last, operation["value"].clone());
                }
                Value::Array(items) if operation["op"] == "add" => {
                    items.insert(last.parse().unwrap(), operation["value"].clone());
                }
                Value::Array(items) => {
                    items[last.parse::<usize>().unwrap()] = operation["value"].clone();
                }
                other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                    panic!("{path} leads into {other}")
                }
            }
        }
        assert_eq!(object["metadata"]["labels"]["shardlane.dev/sidecar"], "true");
        assert_eq!(reviewed(&again).verdict, ReviewVerdict::Left("it has one already"));
    }
}

#[test]
fn a_pod_in_any_form_is_allowed() {
    let pod = asked("deployment-pod");
    let junk =
        [json!(null), json!(7), json!("x"), json!([]), json!([7]), json!({}), json!({"a": 1})];
    for pointer in [
        "/request/object",
        "/request/object/metadata",
        "/request/object/metadata/annotations",
        "/request/object/metadata/labels",
        "/request/object/spec",
        "/request/object/spec/containers",
        "/request/object/spec/containers/0",
        "/request/object/spec/containers/0/env",
        "/request/object/spec/volumes",
        "/request/object/spec/securityContext",
    ] {
        for junk in &junk {
            let mut other = pod.clone();
            *other.pointer_mut(pointer).unwrap() = junk.clone();
            assert_eq!(reviewed(&other).answer["response"]["allowed"], true, "{pointer}: {junk}");
        }
    }
}

#[test]
fn a_warning_is_one_line_that_is_not_too_long() {
    let mut pod = asked("deployment-pod");
    let value = format!("a\nb{}", "é".repeat(400));
    pod["request"]["object"]["metadata"]["annotations"]["shardlane.dev/image"] = value.into();
    let review = reviewed(&pod);
    let warning = review.answer["response"]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("shardlane: no sidecar: shardlane.dev/image takes"), "{warning}");
    assert!(warning.len() <= 256 && !warning.contains('\n'), "{warning}");
}

#[test]
fn a_body_that_is_no_review_has_no_answer() {
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {"uid": "1"}}"#,
        r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}"#,
        &"[".repeat(100_000),
    ] {
        assert!(review(body.as_bytes(), &defaults()).is_err(), "{body:.60}");
    }
}
