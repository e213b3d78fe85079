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
fn a_flag_with_a_wrong_value_is_code_2() {
    for flags in [["--memory-limit", "much"], ["--contact-points", "a,,b"], ["--mode", "old"]] {
        let output = inject(&flags, POD);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(text(&output.stderr).contains(flags[0]), "{flags:?}");
    }
    assert_eq!(inject(&["--mode", "native", "--classic"], POD).status.code(), Some(2));
}
