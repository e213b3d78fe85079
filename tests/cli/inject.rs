//! `shardlane inject` as a shell sees it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::command_line::text;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: orders\nspec:\n  containers:\n    - name: orders\n      image: orders:1.0.0\n";

fn inject(flags: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shardlane"));
    command.env_clear().args(["inject", "-f", "-"]).args(flags);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

#[test]
fn manifests_go_through_a_pipe_and_the_report_to_stderr() {
    let input = format!("kind: ConfigMap\napiVersion: v1\nmetadata: {{name: c}}\n---\n{POD}");
    let output = inject(&["--contact-points", "db"], &input);
    assert_eq!(output.status.code(), Some(0));
    let report = "configmap \"c\" skipped: it has no pods\npod \"orders\" injected\n";
    assert_eq!(text(&output.stderr), report);
    let made = text(&output.stdout);
    assert!(made.contains("  initContainers:\n    - name: shardlane\n"), "{made}");
    assert!(
        made.contains("restartPolicy: Always") && made.ends_with("image: orders:1.0.0\n"),
        "{made}"
    );
    let classic = text(&inject(&["--contact-points", "db", "--classic"], POD).stdout);
    assert!(!classic.contains("initContainers") && classic.contains("postStart"), "{classic}");
}

#[test]
fn a_pod_that_cannot_get_its_sidecar_is_code_1_and_nothing_is_written() {
    let output = inject(&[], &format!("{POD}---\n{POD}"));
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert_eq!(text(&output.stderr).matches("pod \"orders\": neither contact points").count(), 2);
}

#[test]
fn a_refused_pod_is_reported_beside_a_line_for_each_other_object() {
    let other = POD.replace(
        "name: orders\nspec",
        "name: other\n  annotations: {shardlane.dev/inject: false}\nspec",
    );
    let input =
        format!("kind: ConfigMap\napiVersion: v1\nmetadata: {{name: c}}\n---\n{POD}---\n{other}");
    let output = inject(&["--contact-points", "db"], &input);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let lines = [
        "configmap \"c\" skipped: it has no pods",
        "pod \"orders\" not injected: nothing is written",
        "shardlane: pod \"other\": shardlane.dev/inject is no text; put it in quotes",
    ];
    assert_eq!(text(&output.stderr).lines().collect::<Vec<_>>(), lines);
}

#[test]
fn resources_that_cannot_be_are_code_1() {
    for flags in [
        ["--memory-limit=16Mi", "--contact-points=db"],
        ["--memory-request=1Gi", "--contact-points=db"],
    ] {
        let output = inject(&flags, POD);
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        assert!(
            output.stdout.is_empty() && text(&output.stderr).contains("more than memory-limit")
        );
    }
}

#[test]
fn a_text_that_is_no_yaml_is_reported_once() {
    let output = inject(&["--contact-points", "db"], "a: [b");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.starts_with("shardlane: not YAML: line 1: "), "{said}");
    assert_eq!(said.matches("line ").count(), 1, "{said}");
}

#[test]
fn a_flag_with_a_wrong_value_is_code_2() {
    for flags in [["--memory-limit", "much"], ["--contact-points", "a,,b"], ["--mode", "old"]] {
        let output = inject(&flags, POD);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(text(&output.stderr).contains(flags[0]), "{flags:?}");
    }
    assert_eq!(inject(&["--mode", "native", "--classic"], POD).status.code(), Some(2));
}
