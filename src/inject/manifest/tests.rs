//! Manifests as people write them.

use super::*;

pub(super) fn defaults() -> Sidecar {
    Sidecar { contact_points: Some("scylla-client.scylla.svc".to_owned()), ..Sidecar::default() }
}

pub(super) fn injected(text: &str) -> Injected {
    inject(text, &defaults()).unwrap_or_else(|error| panic!("{error}\n{text}"))
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

pub(super) const DEPLOYMENT: &str = r#"# The shop's orders.
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

#[test]
fn an_alias_means_what_its_anchor_has() {
    let aliased = DEPLOYMENT
        .replace(
            "  name: orders ",
            "  annotations: &a\n    shardlane.dev/image: mine\n  name: orders ",
        )
        .replace("      labels:", "      annotations: *a\n      labels:")
        .replace(
            "        - {name: LOG",
            "        - &other {name: OTHER}\n        - *other\n        - {name: LOG",
        );
    let sidecar = Sidecar { contact_points_env: vec!["HOSTS".to_owned()], ..defaults() };
    let pod = template(&inject(&aliased, &sidecar).unwrap().text);
    assert_eq!(pod["spec"]["initContainers"][0]["image"], "mine");
    assert_eq!(pod["spec"]["containers"][0]["env"][0]["name"], "HOSTS");
    let merged = DEPLOYMENT.replace("- {name: LOG,", "- {<<: {name: HOSTS}, ");
    let pod = template(&inject(&merged, &sidecar).unwrap().text);
    let wanted = serde_json::json!({"name": "HOSTS", "value": "127.0.0.1"});
    assert_eq!(pod["spec"]["containers"][0]["env"][1], wanted);
    // The text means 2 to the power of 30 items.
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..30 {
        bomb += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
    }
    let error = inject(&bomb, &defaults()).unwrap_err().to_string();
    assert!(error.contains("its aliases stand for more than"), "{error}");
}

#[test]
fn comments_in_an_entry_that_is_replaced_stay() {
    let sidecar = Sidecar { port_env: vec!["DB".to_owned()], ..defaults() };
    for (before, after) in [
        (
            "- name: DB # the db\n          value: foo # two",
            "- name: DB # the db\n          value: \"9042\" # two",
        ),
        (
            "- name: DB # the db\n          valueFrom:\n            fieldRef: {fieldPath: x}\n          # End.",
            "- name: DB # the db\n          value: \"9042\"\n          # End.",
        ),
        (
            "- value: foo # two\n          name: DB # one",
            "- value: \"9042\" # two\n          name: DB # one",
        ),
        ("- name: DB # none", "- value: \"9042\"\n          name: DB # none"),
        ("- {value: 'foo', name: 'DB'} # short", "- {value: \"9042\", name: 'DB'} # short"),
        ("- {name: 'DB', valueFrom: {a: b}}", "- {name: 'DB', \"value\": \"9042\"}"),
        ("- {name: 'DB'}", "- {\"value\": \"9042\", name: 'DB'}"),
    ] {
        let text = DEPLOYMENT.replace("- {name: LOG, value: \"info\"}", before);
        let made = inject(&text, &sidecar).unwrap_or_else(|error| panic!("{error}\n{text}")).text;
        assert!(made.contains(&format!("        {after}\n")), "{after}\n{made}");
    }
}

pub(super) const POD: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a}]}}";

#[test]
fn an_item_of_a_typed_list_has_the_kind_of_the_list() {
    let list = "apiVersion: v1\nkind: PodList\nitems:\n- {metadata: {name: p}, spec: {containers: [{name: a}]}}\n";
    let made = injected(list);
    assert_eq!(made.report, ["pod \"p\" injected"]);
    let list = list.replace("kind: PodList", "kind: List");
    assert_eq!(injected(&list).report, ["object \"p\" skipped: it has no pods"]);
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
