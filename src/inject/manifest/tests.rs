//! Manifests as people write them.

use super::*;

fn defaults() -> Sidecar {
    Sidecar { contact_points: Some("scylla-client.scylla.svc".to_owned()), ..Sidecar::default() }
}

fn injected(text: &str) -> Injected {
    inject(text, &defaults()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str) -> String {
    inject(text, &defaults()).expect_err("it was not refused").to_string()
}

/// The only document of a text.
fn document(text: &str) -> Value {
    let documents = documents(text).unwrap();
    assert_eq!(documents.len(), 1);
    documents[0].to_json()
}

/// The template of a Deployment.
fn template(text: &str) -> Value {
    document(text).pointer("/spec/template").unwrap().clone()
}

fn names(pod: &Value, list: &str) -> Vec<String> {
    let items = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array);
    let name = |item: &Value| item["name"].as_str().unwrap().to_owned();
    items.map(|items| items.iter().map(name).collect()).unwrap_or_default()
}

const DEPLOYMENT: &str = r#"# The shop's orders.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders   # as its Service
spec:
  paused: no
  template:
    metadata:
      labels: {app: 'orders'}
    spec:
      # One is enough.
      containers:
      - name: orders
        image: "orders:1.0.0"
        env:
        # Names of hosts.
        - name: CASSANDRA_CONTACT_POINTS
          value: scylla-client.scylla.svc # headless
        - {name: LOG, value: "info"}
        args:
          - |
            a: b
            - c
      volumes:
        - name: data
          secret: {secretName: data, defaultMode: 0440}
"#;

#[test]
fn lines_that_were_there_stay() {
    let text = injected(DEPLOYMENT).text;
    let mut left = text.lines();
    for line in DEPLOYMENT.lines().filter(|line| !line.contains("labels: {")) {
        assert!(left.any(|new| new == line), "{line} is gone:\n{text}");
    }
    assert!(text.contains(r#"labels: {"shardlane.dev/sidecar": "true", app: 'orders'}"#), "{text}");
    // Comments stay over what they are about.
    assert!(text.contains("      # One is enough.\n      containers:\n"), "{text}");
}

#[test]
fn a_sidecar_comes_behind_the_proxy_of_a_mesh_that_starts_before_it() {
    let proxy =
        "      - name: istio-proxy # of the mesh\n        restartPolicy: Always # a sidecar\n";
    let init = "      - name: istio-init\n";
    let own = "      # Of the shop.\n      - name: migrate\n";
    for (list, order) in [
        (format!("{init}{proxy}{own}"), &["istio-init", "istio-proxy", "shardlane", "migrate"][..]),
        (format!("{init}{proxy}"), &["istio-init", "istio-proxy", "shardlane"]),
        (proxy.to_owned(), &["istio-proxy", "shardlane"]),
        (format!("{init}{own}"), &["shardlane", "istio-init", "migrate"]),
        // No sidecar: it ends before the next one starts.
        ("      - name: istio-proxy\n".to_owned(), &["shardlane", "istio-proxy"]),
        (
            "        [{name: linkerd-init}, {name: linkerd-proxy, restartPolicy: Always}]\n"
                .to_owned(),
            &["linkerd-init", "linkerd-proxy", "shardlane"],
        ),
        (
            "        [{name: linkerd-proxy, restartPolicy: Always}, {name: migrate}]\n".to_owned(),
            &["linkerd-proxy", "shardlane", "migrate"],
        ),
    ] {
        let containers = "      containers:\n";
        let manifest =
            DEPLOYMENT.replace(containers, &format!("      initContainers:\n{list}{containers}"));
        let text = injected(&manifest).text;
        assert_eq!(names(&template(&text), "initContainers"), order, "{text}");
        assert!(list.lines().all(|line| text.contains(line) || line.contains('[')), "{text}");
        assert!(!text.contains("# Of the shop.\n      - name: shardlane"), "{text}");
    }
}

#[test]
fn a_classic_sidecar_comes_behind_the_proxy_of_a_mesh_only_where_that_is_the_first() {
    let classic = Sidecar { mode: Mode::Classic, ..defaults() };
    let manifest = |first: &str, last: &str| {
        let own = "      - name: orders\n        image: \"orders:1.0.0\"\n";
        let new = format!("{first}      - name: orders\n        image: \"orders:1.0.0\"\n{last}");
        DEPLOYMENT.replace(own, &new)
    };
    let mesh = "      - name: kuma-sidecar\n        image: kuma\n";
    let text = inject(&manifest(mesh, ""), &classic).unwrap().text;
    assert_eq!(names(&template(&text), "containers"), ["kuma-sidecar", "shardlane", "orders"]);
    let other = "      - name: other\n        image: other\n";
    let text = inject(&manifest(other, ""), &classic).unwrap().text;
    assert_eq!(names(&template(&text), "containers"), ["shardlane", "other", "orders"]);
}

#[test]
fn a_native_sidecar_is_the_first_init_container() {
    let pod = template(&injected(DEPLOYMENT).text);
    assert_eq!(names(&pod, "initContainers"), ["shardlane"]);
    assert_eq!(pod["spec"]["initContainers"][0]["restartPolicy"], "Always");
    let migrating = DEPLOYMENT.replace(
        "      volumes:\n",
        "      initContainers:\n      -   image: m\n          name: migrate\n      volumes:\n",
    );
    let pod = template(&injected(&migrating).text);
    assert_eq!(names(&pod, "initContainers"), ["shardlane", "migrate"]);
}

#[test]
fn a_classic_sidecar_is_the_first_container_and_the_next_one_waits_for_it() {
    let classic = Sidecar { mode: Mode::Classic, ..defaults() };
    let pod = template(&inject(DEPLOYMENT, &classic).unwrap().text);
    assert_eq!(names(&pod, "containers"), ["shardlane", "orders"]);
    let sidecar = &pod["spec"]["containers"][0];
    assert_eq!(sidecar["lifecycle"]["postStart"]["exec"]["command"][1], "wait");
    assert!(sidecar.get("restartPolicy").is_none());
}

#[test]
fn the_output_put_in_again_comes_out_the_same() {
    let once = injected(DEPLOYMENT).text;
    let twice = injected(&once);
    assert_eq!(twice.text, once);
    assert_eq!(twice.report, ["deployment \"orders\" skipped: it has one already"]);
}

#[test]
fn documents_without_pods_stay_byte_by_byte() {
    let service = "%YAML 1.2\n---\n# A\tcomment\nkind: Service\napiVersion: v1\nmetadata: {name: 'o'}\nspec: &a\n  b: *a\n...\n";
    let text = format!(
        "{service}---\n{DEPLOYMENT}---\n# Nothing.\n---\nkind: Job\napiVersion: volcano.sh/v1\n"
    );
    let made = injected(&text);
    assert!(made.text.starts_with(service));
    assert!(made.text.ends_with("---\n# Nothing.\n---\nkind: Job\napiVersion: volcano.sh/v1\n"));
    assert_eq!(
        made.report,
        [
            "service \"o\" skipped: it has no pods",
            "deployment \"orders\" injected",
            "job \"\" skipped: it has no pods",
        ]
    );
}

#[test]
fn every_kind_with_pods_is_known() {
    let pod = r#"{"spec": {"containers": [{"name": "a"}]}}"#;
    for (version, kind, spec) in [
        ("apps/v1", "Deployment", format!(r#"{{"template": {pod}}}"#)),
        ("apps/v1", "StatefulSet", format!(r#"{{"template": {pod}}}"#)),
        ("apps/v1", "DaemonSet", format!(r#"{{"template": {pod}}}"#)),
        ("apps/v1", "ReplicaSet", format!(r#"{{"template": {pod}}}"#)),
        ("v1", "ReplicationController", format!(r#"{{"template": {pod}}}"#)),
        ("batch/v1", "Job", format!(r#"{{"template": {pod}}}"#)),
        ("batch/v1", "CronJob", format!(r#"{{"jobTemplate": {{"spec": {{"template": {pod}}}}}}}"#)),
        ("v1", "Pod", r#"{"containers": [{"name": "a"}]}"#.to_owned()),
    ] {
        let object = format!(
            r#"{{"apiVersion": "{version}", "kind": "{kind}", "metadata": {{"name": "x"}}, "spec": {spec}}}"#
        );
        let made = injected(&object);
        assert_eq!(made.report, [format!("{} \"x\" injected", kind.to_lowercase())]);
        assert!(
            serde_json::from_str::<Value>(&made.text).is_ok(),
            "JSON stays JSON: {}",
            made.text
        );
        let list = format!("apiVersion: v1\nkind: List\nitems:\n- {object}\n- {object}\n");
        assert_eq!(injected(&list).text.matches("\"image\": \"shardlane:").count(), 2);
    }
}

#[test]
fn annotations_beat_flags_and_those_of_the_template_the_outer_ones() {
    let text = DEPLOYMENT
        .replace(
            "metadata:\n  name: orders",
            "metadata:\n  annotations: {shardlane.dev/image: a, shardlane.dev/contact-points: outer}\n  name: orders",
        )
        .replace(
            "      labels:",
            "      annotations:\n        shardlane.dev/contact-points: inner\n      labels:",
        );
    let pod = template(&injected(&text).text);
    let sidecar = &pod["spec"]["initContainers"][0];
    assert_eq!(sidecar["image"], "a");
    let args = sidecar["args"].as_array().unwrap();
    assert!(args.contains(&"--contact-points=inner".into()), "{args:?}");
}

#[test]
fn variables_of_the_application_lead_to_the_sidecar() {
    let sidecar = Sidecar {
        contact_points_env: vec!["CASSANDRA_CONTACT_POINTS".to_owned(), "HOSTS".to_owned()],
        port_env: vec!["CASSANDRA_PORT".to_owned()],
        ..defaults()
    };
    let env = |text: &str| {
        let pod = template(&inject(text, &sidecar).unwrap().text);
        let env = pod.pointer("/spec/containers/0/env").unwrap();
        let pair = |item: &Value| (item["name"].clone(), item["value"].clone());
        env.as_array().unwrap().iter().map(pair).collect::<Vec<_>>()
    };
    let pair = |name: &str, value: &str| (name.into(), value.into());
    let wanted = [
        pair("HOSTS", "127.0.0.1"),
        pair("CASSANDRA_PORT", "9042"),
        pair("CASSANDRA_CONTACT_POINTS", "127.0.0.1"),
        pair("LOG", "info"),
    ];
    assert_eq!(env(DEPLOYMENT), wanted);
    let referring = DEPLOYMENT.replace(
        "value: scylla-client.scylla.svc # headless",
        "valueFrom:\n            # Of the platform.\n            configMapKeyRef:\n              name: scylla\n              key: hosts",
    );
    assert_eq!(env(&referring), wanted);
    let without = DEPLOYMENT.replace("        env:\n", "        other:\n");
    let added = ["CASSANDRA_CONTACT_POINTS", "HOSTS"].map(|name| pair(name, "127.0.0.1"));
    assert_eq!(env(&without), [&added[..], &[pair("CASSANDRA_PORT", "9042")]].concat());
}

#[test]
fn secrets_are_mounted_and_their_group_is_the_pods() {
    let sidecar = Sidecar {
        username: Some("orders".to_owned()),
        password_secret: Some("orders-password".to_owned()),
        tls_secret: Some("scylla-ca".to_owned()),
        config_map: Some("settings".to_owned()),
        ..defaults()
    };
    let pod = template(&inject(DEPLOYMENT, &sidecar).unwrap().text);
    assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 65_532);
    let ours = ["shardlane-config", "shardlane-state", "shardlane-password", "shardlane-tls"];
    assert_eq!(names(&pod, "volumes"), [&ours[..], &["data"]].concat());
    let grouped = DEPLOYMENT
        .replace("      volumes:\n", "      securityContext: {fsGroup: 7}\n      volumes:\n");
    let pod = template(&inject(&grouped, &sidecar).unwrap().text);
    assert_eq!(pod["spec"]["securityContext"]["fsGroup"], 7);
}

#[test]
fn a_pod_that_wants_none_has_none() {
    for value in ["disabled", "\"false\""] {
        let text = DEPLOYMENT.replace(
            "metadata:\n  name: orders",
            &format!(
                "metadata:\n  annotations:\n    shardlane.dev/inject: {value}\n  name: orders"
            ),
        );
        let made = injected(&text);
        assert_eq!(made.text, text);
        assert_eq!(made.report, ["deployment \"orders\" skipped: its annotation wants none"]);
    }
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
        (annotated("shardlane.dev/inject: true"), "takes \"enabled\" or \"disabled\""),
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
        (DEPLOYMENT.replace("    spec:\n", "    spec: &pod\n"), "/initContainers has an anchor"),
        (DEPLOYMENT.replace("    spec:\n", "    spec:\n      <<: {a: b}\n"), "a merge key"),
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
fn refusals_are_reported_all_at_once() {
    let bad = DEPLOYMENT.replace("    spec:\n", "    spec: &pod\n");
    let text = format!("{bad}---\n{}", bad.replace("name: orders   ", "name: other   "));
    let refusal = refusal(&text);
    assert!(refusal.contains("\"orders\"") && refusal.contains("\"other\""), "{refusal}");
}

#[test]
fn texts_in_any_form_are_changed_in_place() {
    for (from, to) in [
        // Line ends of Windows, and characters of several bytes.
        ("\n", "\r\n"),
        ("# The shop's orders.", "# Bestellungen für Zoë \u{1f980}"),
        ("      labels: {app: 'orders'}", "      labels:"),
        ("      labels: {app: 'orders'}", "      labels: null # none"),
        ("      labels: {app: 'orders'}", "      labels: {}"),
        ("      labels: {app: 'orders'}", "      labels:\n        # Ours.\n        app: orders"),
        ("    metadata:\n      labels: {app: 'orders'}\n", ""),
        ("    metadata:\n      labels: {app: 'orders'}\n", "    metadata:\n"),
        ("      # One is enough.", "      # One\n\n      # is enough.\n      initContainers: []"),
        ("      # One is enough.", "      initContainers: [{name: a}]"),
        (
            "      # One is enough.",
            "      initContainers:\n        # First.\n        - # a\n          name: a",
        ),
        (
            "      # One is enough.",
            "      initContainers:\n      - &m\n        name: a\n      - name: b",
        ),
        ("      # One is enough.", "      ? initContainers\n      : - name: a"),
        ("        args:", "        ports: [{containerPort: 9042, protocol: UDP}]\n        args:"),
        ("        - name: data", "        -\n          name: data"),
        ("        - name: data", "        # Data.\n        - &data\n          name: data"),
    ] {
        let text = DEPLOYMENT.replace(from, to);
        assert_ne!(text, DEPLOYMENT, "{from}");
        let made = inject(&text, &Sidecar { config_map: Some("c".to_owned()), ..defaults() });
        let made = made.unwrap_or_else(|error| panic!("{error}\n{text}")).text;
        let pod = template(&made);
        assert_eq!(names(&pod, "initContainers")[0], "shardlane", "{made}");
        assert_eq!(pod["metadata"]["labels"]["shardlane.dev/sidecar"], "true", "{made}");
        assert_eq!(
            names(&pod, "volumes"),
            ["shardlane-config", "shardlane-state", "data"],
            "{made}"
        );
        assert_eq!(
            made.contains("\r\n"),
            made.matches('\n').count() == made.matches("\r\n").count()
        );
    }
}
