//! What may be chosen for a pod's sidecar: by an annotation of the pod, or by a flag for all pods.

use strsim::damerau_levenshtein;

use crate::inject::quantity::{cpu_thousandths, memory_bytes};
use crate::inject::sidecar::{Mode, Sidecar};

/// What the names of our labels and annotations begin with.
pub(crate) const PREFIX: &str = "shardlane.dev/";

/// Whether a pod gets a sidecar: `enabled` or `true`, `disabled` or `false`.
pub(crate) const INJECT: &str = "inject";

/// One thing that may be chosen.
#[derive(Debug)]
pub(crate) struct InjectOption {
    /// Its name: `shardlane.dev/NAME` is the annotation, `--NAME` the flag.
    pub name: &'static str,
    /// What stands for its value in the help.
    pub value_name: &'static str,
    /// What it is, without a full stop.
    pub what: &'static str,
    takes: Takes,
    set: fn(&mut Sidecar, &str),
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
enum Takes {
    Mode,
    /// Hosts, with or without ports, separated by commas.
    Hosts,
    Port,
    /// A name of Kubernetes.
    Name,
    /// Names of variables, separated by commas.
    Variables,
    /// CPUs, to the thousandth.
    Cpu,
    /// Bytes.
    Memory,
    /// Any text without white space.
    Word,
}

impl Takes {
    /// What is wrong with `value`.
    fn fault(self, value: &str) -> Option<&'static str> {
        let is_word = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        let is_name = |text: &str| {
            let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            let is_label = |label: &str| {
                label.starts_with(is_end)
                    && label.ends_with(is_end)
                    && label.chars().all(|c| is_end(c) || c == '-')
            };
            text.len() <= 253 && text.split('.').all(is_label)
        };
        let is_variable = |text: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            is_word(text)
                && !text.starts_with(|c: char| c.is_ascii_digit())
                // An API server takes them for ways through folders.
                && text != "."
                && !text.starts_with("..")
                && text.chars().all(is_part)
        };
        let (is_good, wanted) = match self {
            Self::Mode => (Mode::from_word(value).is_some(), "native or classic"),
            Self::Hosts => (value.split(',').all(is_word), "hosts, separated by commas"),
            Self::Port => (value.parse::<u16>().is_ok_and(|port| port > 0), "1 to 65535"),
            Self::Name => (is_name(value), "a name of Kubernetes"),
            Self::Variables => {
                (value.split(',').all(is_variable), "names of variables, separated by commas")
            }
            Self::Cpu => (cpu_thousandths(value).is_some(), "CPUs, such as 250m or 0.5"),
            Self::Memory => (memory_bytes(value).is_some(), "bytes, such as 64Mi or 0.5Gi"),
            Self::Word => (is_word(value), "a text without white space"),
        };
        (!is_good).then_some(wanted)
    }
}

/// All choices.
pub(crate) const ALL: &[InjectOption] = &[
    InjectOption {
        name: "mode",
        value_name: "MODE",
        what: "native: an init container that stays, for Kubernetes 1.29 and newer; classic: an ordinary container",
        takes: Takes::Mode,
        set: |sidecar, value| sidecar.mode = Mode::from_word(value).unwrap_or_default(),
    },
    InjectOption {
        name: "image",
        value_name: "IMAGE",
        what: "Image of the sidecar",
        takes: Takes::Word,
        set: |sidecar, value| value.clone_into(&mut sidecar.image),
    },
    InjectOption {
        name: "contact-points",
        value_name: "HOST[:PORT],...",
        what: "Nodes that are asked first for the cluster's members: a headless Service, or two or three nodes",
        takes: Takes::Hosts,
        set: |sidecar, value| sidecar.contact_points = Some(value.to_owned()),
    },
    InjectOption {
        name: "port",
        value_name: "PORT",
        what: "CQL port of the nodes: 9142 is usual with TLS",
        takes: Takes::Port,
        set: |sidecar, value| sidecar.port = Some(value.to_owned()),
    },
    InjectOption {
        name: "config-map",
        value_name: "NAME",
        what: "ConfigMap with further settings under the key shardlane.toml",
        takes: Takes::Name,
        set: |sidecar, value| sidecar.config_map = Some(value.to_owned()),
    },
    InjectOption {
        name: "data-center",
        value_name: "NAME",
        what: "Data center whose nodes are used",
        takes: Takes::Word,
        set: |sidecar, value| sidecar.data_center = Some(value.to_owned()),
    },
    InjectOption {
        name: "rack",
        value_name: "NAME",
        what: "Rack whose nodes are preferred",
        takes: Takes::Word,
        set: |sidecar, value| sidecar.rack = Some(value.to_owned()),
    },
    InjectOption {
        name: "username",
        value_name: "ROLE",
        what: "Role as which the sidecar logs in for the application; without, the application logs in itself",
        takes: Takes::Word,
        set: |sidecar, value| sidecar.username = Some(value.to_owned()),
    },
    InjectOption {
        name: "password-secret",
        value_name: "NAME",
        what: "Secret with that role's password under the key password",
        takes: Takes::Name,
        set: |sidecar, value| sidecar.password_secret = Some(value.to_owned()),
    },
    InjectOption {
        name: "tls-secret",
        value_name: "NAME",
        what: "Secret with the CA of the nodes' certificates under the key ca.crt; turns TLS on",
        takes: Takes::Name,
        set: |sidecar, value| sidecar.tls_secret = Some(value.to_owned()),
    },
    InjectOption {
        name: "contact-points-env",
        value_name: "VARIABLE,...",
        what: "Variables that are set to 127.0.0.1 in the application's containers",
        takes: Takes::Variables,
        set: |sidecar, value| sidecar.contact_points_env = words(value),
    },
    InjectOption {
        name: "port-env",
        value_name: "VARIABLE,...",
        what: "Variables that are set to 9042 in the application's containers",
        takes: Takes::Variables,
        set: |sidecar, value| sidecar.port_env = words(value),
    },
    InjectOption {
        name: "cpu-request",
        value_name: "QUANTITY",
        what: "CPU that is reserved for the sidecar",
        takes: Takes::Cpu,
        set: |sidecar, value| value.clone_into(&mut sidecar.cpu_request),
    },
    InjectOption {
        name: "cpu-limit",
        value_name: "QUANTITY",
        what: "CPU that the sidecar may take at most, where a quota demands a limit: none by default, since its pauses are \
               added to requests",
        takes: Takes::Cpu,
        set: |sidecar, value| sidecar.cpu_limit = Some(value.to_owned()),
    },
    InjectOption {
        name: "memory-request",
        value_name: "QUANTITY",
        what: "Memory that is reserved for the sidecar",
        takes: Takes::Memory,
        set: |sidecar, value| value.clone_into(&mut sidecar.memory_request),
    },
    InjectOption {
        name: "memory-limit",
        value_name: "QUANTITY",
        what: "Memory that the sidecar may take at most",
        takes: Takes::Memory,
        set: |sidecar, value| value.clone_into(&mut sidecar.memory_limit),
    },
];

fn words(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}

impl InjectOption {
    /// Sets it to `value`. The error says what it takes.
    pub(crate) fn set(&self, sidecar: &mut Sidecar, value: &str) -> Result<(), String> {
        match self.takes.fault(value) {
            Some(wanted) => Err(format!("takes {wanted}, not {value:?}")),
            None => {
                (self.set)(sidecar, value);
                Ok(())
            }
        }
    }
}

/// The choice that an annotation names. The error says which one it resembles.
pub(crate) fn of_annotation(name: &str) -> Result<&'static InjectOption, String> {
    if let Some(choice) = ALL.iter().find(|choice| choice.name == name) {
        return Ok(choice);
    }
    let names = ALL.iter().map(|choice| choice.name).chain([INJECT]);
    let nearest = names.min_by_key(|other| damerau_levenshtein(name, other)).unwrap_or(INJECT);
    Err(format!("is no annotation of ours; did you mean {PREFIX}{nearest}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_only_if_it_can_be_right() {
        let set = |name: &str, value: &str| {
            of_annotation(name).unwrap().set(&mut Sidecar::default(), value).is_ok()
        };
        for (name, good, bad) in [
            ("mode", "classic", "Classic"),
            ("image", "registry.example.com/shardlane@sha256:00", "a b"),
            ("contact-points", "a,10.0.0.1:9042,[::1]", "a,,b"),
            ("contact-points", "a", "--admin"),
            ("port", "9142", "0"),
            ("config-map", "settings-7f", "Settings"),
            ("config-map", "a.b-c", "a..b"),
            ("password-secret", "a", "-a"),
            ("tls-secret", "9", "a-"),
            ("contact-points-env", "CASSANDRA_CONTACT_POINTS,HOSTS", "A B"),
            ("port-env", "_P", "1P"),
            ("port-env", ".P", "..P"),
            ("cpu-request", "0.5", "half"),
            ("cpu-request", "250m", "250Mi"),
            ("cpu-limit", "2", "2Gi"),
            ("memory-request", "64Mi", "500m"),
            ("memory-limit", "256Mi", "256MB"),
            ("memory-limit", "1", ""),
            ("username", "orders", "a\u{7}"),
        ] {
            assert!(set(name, good), "{name} refuses {good}");
            assert!(!set(name, bad), "{name} takes {bad}");
        }
    }

    #[test]
    fn the_page_has_every_choice_as_it_is() {
        let row = |choice: &InjectOption| {
            let InjectOption { name, value_name, what, .. } = choice;
            format!("| `{PREFIX}{name}` | `--{name} {value_name}` | {what}. |\n")
        };
        let rows: String = ALL.iter().map(row).collect();
        let page = std::fs::read_to_string("docs/kubernetes.md").unwrap();
        assert!(page.contains(&rows), "docs/kubernetes.md lacks these rows:\n{rows}");
    }

    #[test]
    fn a_misspelt_annotation_is_shown_with_the_one_that_it_resembles() {
        let error = of_annotation("contact-pionts").unwrap_err();
        assert!(error.ends_with("did you mean shardlane.dev/contact-points?"), "{error}");
    }
}
