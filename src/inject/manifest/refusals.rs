//! Manifests that cannot get a sidecar, and what is said about them.

use super::tests::{DEPLOYMENT, POD, defaults, injected};
use super::*;

fn refusal(text: &str) -> String {
    inject(text, &defaults()).expect_err("it was not refused").to_string()
}

/// The Deployment with a line of annotations in its template.
fn annotated(line: &str) -> String {
    DEPLOYMENT
        .replace("      labels:", &format!("      annotations:\n        {line}\n      labels:"))
}

fn assert_refused(cases: &[(String, &str)]) {
    for (text, reason) in cases {
        let refusal = refusal(text);
        assert!(refusal.contains(reason), "{refusal}, wanted: {reason}\n{text}");
    }
}

#[test]
fn a_pod_that_could_not_run_with_its_sidecar_is_refused() {
    assert_refused(&[
        (
            annotated("shardlane.dev/memory-limit: 16Mi"),
            "memory-request is 64Mi, which is more than memory-limit, 16Mi",
        ),
        (
            annotated("shardlane.dev/memory-request: 1Gi"),
            "memory-request is 1Gi, which is more than memory-limit, 256Mi",
        ),
        (
            annotated("{shardlane.dev/memory-request: '0', shardlane.dev/memory-limit: '0'}"),
            "memory-limit is 0: the sidecar needs 16Mi at least",
        ),
        (annotated("shardlane.dev/cpu-request: 250Mi"), "shardlane.dev/cpu-request takes CPUs"),
        (
            annotated("shardlane.dev/cpu-limit: 100m"),
            "cpu-request is 250m, which is more than cpu-limit, 100m",
        ),
        (
            annotated("shardlane.dev/memory-request: 500m"),
            "shardlane.dev/memory-request takes bytes",
        ),
        (
            annotated("{shardlane.dev/port-env: P, shardlane.dev/contact-points-env: 'H,P'}"),
            "the variable P is in contact-points-env and port-env twice",
        ),
        (
            DEPLOYMENT.replace("name: data\n", "name: shardlane-state\n"),
            "its pod has a volume \"shardlane-state\"",
        ),
        (
            DEPLOYMENT.replace(
                "        args:\n",
                "        ports: [{containerPort: 80}, {containerPort: 9042, protocol: TCP}]\n        args:\n",
            ),
            "its container \"orders\" listens on port 9042, as the sidecar would",
        ),
        (
            DEPLOYMENT.replace(
                "      volumes:\n",
                "      initContainers: [{name: fill, ports: [{containerPort: 9380}]}]\n      volumes:\n",
            ),
            "its container \"fill\" listens on port 9380",
        ),
    ]);
}

#[test]
fn an_object_that_cannot_work_is_refused_with_its_reason() {
    assert_refused(&[
        (
            annotated("shardlane.dev/inject: perhaps"),
            "takes \"enabled\" or \"disabled\", not \"perhaps\"",
        ),
        (annotated("shardlane.dev/inject: true"), "inject is no text; put it in quotes"),
        (annotated("shardlane.dev/inject: false"), "inject is no text; put it in quotes"),
        (annotated("shardlane.dev/inject:"), "inject is no text; put it in quotes"),
        (annotated("shardlane.dev/port: 9042"), "shardlane.dev/port is no text; put it in quotes"),
        (annotated("shardlane.dev/imge: a"), "did you mean shardlane.dev/image?"),
        (
            annotated("shardlane.dev/memory-limit: much"),
            "shardlane.dev/memory-limit takes bytes, such as 64Mi or 0.5Gi, not \"much\"",
        ),
        (annotated("shardlane.dev/username: app"), "username and password-secret belong together"),
        (
            DEPLOYMENT.replace("      volumes:\n", "      hostNetwork: true\n      volumes:\n"),
            "host's network",
        ),
        (
            DEPLOYMENT.replace("      volumes:\n", "      os: {name: windows}\n      volumes:\n"),
            "for Windows",
        ),
        (
            DEPLOYMENT.replace("    spec:\n", "    spec: &pod\n"),
            "spec.template.spec has an anchor: write it out",
        ),
        (
            DEPLOYMENT.replace("    spec:\n", "    spec:\n      <<: {a: b}\n"),
            "spec.template.spec has a merge key: write it out",
        ),
        (
            DEPLOYMENT.replace("containers:\n      - name", "containers:\n        name"),
            "containers is no list",
        ),
        (DEPLOYMENT.replace("paused: no", "paused: no: yes"), "not YAML: line 7"),
        ("kind: Pod\napiVersion: v1\nspec: 7\n".to_owned(), "pod \"\": its pod has no spec"),
        (format!("{}a{}", "[".repeat(200), "]".repeat(200)), "more than 100 levels"),
    ]);
    let nowhere = inject(DEPLOYMENT, &Sidecar::default()).unwrap_err().to_string();
    assert!(nowhere.contains("deployment \"orders\": neither contact points nor"), "{nowhere}");
}

#[test]
fn a_shared_node_is_refused_with_its_place_and_the_way_out() {
    let sidecar = Sidecar { port_env: vec!["LOG".to_owned(), "PORT".to_owned()], ..defaults() };
    let labels = "      labels: {app: 'orders'}";
    for (text, reason) in [
        (
            DEPLOYMENT
                .replace("  name: orders ", "  labels: &l {app: orders}\n  name: orders ")
                .replace(labels, "      labels: *l"),
            "spec.template.metadata.labels is an alias: write it out",
        ),
        (
            DEPLOYMENT.replace(labels, "      labels: &l {}\n      annotations: *l"),
            "spec.template.metadata.labels has an anchor: write it out",
        ),
        (
            DEPLOYMENT.replace("- name: orders", "- &c\n        name: orders"),
            "spec.template.spec.containers[0] has an anchor: write it out",
        ),
        (
            DEPLOYMENT.replace("- {name: LOG", "- &log {name: LOG"),
            "spec.template.spec.containers[0].env[1] has an anchor: write it out",
        ),
    ] {
        let refusal = inject(&text, &sidecar).unwrap_err().to_string();
        assert!(refusal.ends_with(reason), "{refusal}, wanted: {reason}\n{text}");
    }
}

#[test]
fn a_key_that_is_there_twice_is_refused_with_its_line() {
    let twice = DEPLOYMENT.replace("        args:\n", "        image: b\n        args:\n");
    assert_eq!(refusal(&twice), "deployment \"orders\": line 21: the key \"image\" is there twice");
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: ConfigMap, data: {{a: b, a: c}}}}\n- {POD}\n"
    );
    assert!(injected(&list).text.contains("{a: b, a: c}"), "objects without pods stay as they are");
}

#[test]
fn an_object_that_is_refused_leaves_a_line_for_each_other() {
    let bad = POD.replace("{name: p}", "{name: bad, annotations: {shardlane.dev/imge: a}}");
    let text =
        format!("{POD}\n---\n{bad}\n---\nkind: Service\napiVersion: v1\nmetadata: {{name: s}}\n");
    let Err(ManifestError::Refused { refused, others }) = inject(&text, &defaults()) else {
        panic!("it was not refused")
    };
    assert!(refused.len() == 1 && refused[0].starts_with("pod \"bad\": "), "{refused:?}");
    let wanted =
        ["pod \"p\" not injected: nothing is written", "service \"s\" skipped: it has no pods"];
    assert_eq!(others, wanted);
}

#[test]
fn a_fault_of_the_text_is_said_once_with_a_line_that_is_there() {
    let error = inject("a: [b", &defaults()).unwrap_err();
    assert!(error.to_string().starts_with("not YAML: line 1: "), "{error}");
    assert!(std::error::Error::source(&error).is_none(), "its text has the source's");
}

#[test]
fn refusals_are_reported_all_at_once() {
    let bad = DEPLOYMENT.replace("    spec:\n", "    spec: &pod\n");
    let text = format!("{bad}---\n{}", bad.replace("name: orders   ", "name: other   "));
    let refusal = refusal(&text);
    assert!(refusal.contains("\"orders\"") && refusal.contains("\"other\""), "{refusal}");
}
