//! The sidecar of one pod: its container and its volumes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::inject::quantity::{cpu_thousandths, memory_bytes};

/// Name of the container; a pod that has one of this name has a sidecar.
pub(crate) const CONTAINER: &str = "shardlane";

/// User and group of the image.
pub(crate) const USER: u32 = 65_532;

/// Where the application's driver connects.
pub(crate) const HOST: &str = "127.0.0.1";

/// The port there.
pub(crate) const PORT: &str = "9042";

/// Ports where it listens: that of clients and that of probes and metrics.
pub(crate) const PORTS: [u16; 2] = [9042, 9380];

/// Where probes and metrics are. The kubelet and the scraper come from outside of the pod.
const ADMIN: &str = "0.0.0.0:9380";

/// A smaller limit would end the process while it starts.
const MEMORY_LIMIT_MIN: &str = "16Mi";

/// How the container starts and ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Mode {
    /// An init container with `restartPolicy: Always`: it starts before the application and ends after it.
    #[default]
    Native,
    /// An ordinary container, for Kubernetes before 1.29.
    Classic,
}

impl Mode {
    /// The mode of this name.
    #[must_use]
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "native" => Some(Self::Native),
            "classic" => Some(Self::Classic),
            _ => None,
        }
    }
}

/// What is chosen for the sidecar of one pod. Every text was checked by its choice.
#[derive(Clone, Debug)]
pub(crate) struct Sidecar {
    /// How it starts and ends.
    pub mode: Mode,
    /// Image.
    pub image: String,
    /// Hosts, separated by commas.
    pub contact_points: Option<String>,
    /// CQL port of the nodes.
    pub port: Option<String>,
    /// ConfigMap with `shardlane.toml`.
    pub config_map: Option<String>,
    /// Data center.
    pub data_center: Option<String>,
    /// Rack.
    pub rack: Option<String>,
    /// Role that the sidecar logs in as.
    pub username: Option<String>,
    /// Secret with the password of that role.
    pub password_secret: Option<String>,
    /// Secret with the CA of the nodes.
    pub tls_secret: Option<String>,
    /// Variables of the application that become the sidecar's address.
    pub contact_points_env: Vec<String>,
    /// Variables of the application that become the sidecar's port.
    pub port_env: Vec<String>,
    /// CPU that is reserved.
    pub cpu_request: String,
    /// CPU at most, where there is such a bound.
    pub cpu_limit: Option<String>,
    /// Memory that is reserved.
    pub memory_request: String,
    /// Memory at most.
    pub memory_limit: String,
}

impl Default for Sidecar {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            image: concat!("shardlane:", env!("CARGO_PKG_VERSION")).to_owned(),
            contact_points: None,
            port: None,
            config_map: None,
            data_center: None,
            rack: None,
            username: None,
            password_secret: None,
            tls_secret: None,
            contact_points_env: Vec::new(),
            port_env: Vec::new(),
            cpu_request: "250m".to_owned(),
            cpu_limit: None,
            memory_request: "64Mi".to_owned(),
            memory_limit: "256Mi".to_owned(),
        }
    }
}

/// A file or folder that the container mounts.
struct Mount {
    volume: &'static str,
    path: &'static str,
    is_written: bool,
    source: Value,
}

impl Sidecar {
    /// What contradicts itself or is missing.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.contact_points.is_none() && self.config_map.is_none() {
            let fault = "neither contact points nor a config map is given: where is the cluster?";
            return Err(fault.to_owned());
        }
        if self.username.is_some() != self.password_secret.is_some() {
            return Err("username and password-secret belong together".to_owned());
        }
        if self.rack.is_some() && self.data_center.is_none() {
            return Err("a rack is given without its data center".to_owned());
        }
        self.check_contradictions()
    }

    /// What cannot be, whatever else is given: resources that an API server refuses, and a variable that would be there
    /// twice.
    pub(crate) fn check_contradictions(&self) -> Result<(), String> {
        let Self { memory_request: request, memory_limit: limit, .. } = self;
        let (requested, limited) = (memory_bytes(request), memory_bytes(limit));
        if requested > limited {
            return Err(format!(
                "memory-request is {request}, which is more than memory-limit, {limit}"
            ));
        }
        if limited < memory_bytes(MEMORY_LIMIT_MIN) {
            return Err(format!(
                "memory-limit is {limit}: the sidecar needs {MEMORY_LIMIT_MIN} at least"
            ));
        }
        if let Some(limit) = &self.cpu_limit
            && cpu_thousandths(&self.cpu_request) > cpu_thousandths(limit)
        {
            let request = &self.cpu_request;
            return Err(format!("cpu-request is {request}, which is more than cpu-limit, {limit}"));
        }
        let names = self.contact_points_env.iter().chain(&self.port_env);
        let mut seen = BTreeSet::new();
        match names.into_iter().find(|name| !seen.insert(*name)) {
            Some(twice) => {
                Err(format!("the variable {twice} is in contact-points-env and port-env twice"))
            }
            None => Ok(()),
        }
    }

    /// Lives within what a pod has as a whole, `resources`: an API server refuses a pod whose containers want more than
    /// that. Where the pod reserves for all of its containers the sidecar reserves nothing itself, and it may take no more
    /// than the pod may.
    pub(crate) fn fit(&mut self, resources: &Value) {
        let given = |kind: &str, what: &str| {
            let value = resources.get(kind)?.get(what)?;
            value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|it| it.to_string()))
        };
        let is_given = |what| given("requests", what).or_else(|| given("limits", what)).is_some();
        if is_given("cpu") {
            "0".clone_into(&mut self.cpu_request);
        }
        if is_given("memory") {
            "0".clone_into(&mut self.memory_request);
        }
        let memory = given("limits", "memory");
        let of_pod = memory.as_deref().and_then(memory_bytes);
        if let (Some(limit), Some(bytes)) = (memory, of_pod)
            && Some(bytes) < memory_bytes(&self.memory_limit)
        {
            self.memory_limit = limit;
        }
        let cpu = given("limits", "cpu");
        let of_pod = cpu.as_deref().and_then(cpu_thousandths);
        if let (Some(limit), Some(own)) = (of_pod, self.cpu_limit.as_deref())
            && cpu_thousandths(own) > Some(limit)
        {
            self.cpu_limit = cpu;
        }
    }

    /// Whether it reads files that only its group may read.
    #[must_use]
    pub(crate) fn has_secrets(&self) -> bool {
        self.password_secret.is_some() || self.tls_secret.is_some()
    }

    /// Its container.
    #[must_use]
    pub(crate) fn container(&self) -> Value {
        let mounts = self.mounts();
        let mounted = mounts.iter().map(|mount| match mount.is_written {
            true => json!({"name": mount.volume, "mountPath": mount.path}),
            false => json!({"name": mount.volume, "mountPath": mount.path, "readOnly": true}),
        });
        let mut limits = json!({"memory": self.memory_limit});
        if let (Some(cpu), Some(limits)) = (&self.cpu_limit, limits.as_object_mut()) {
            limits.insert("cpu".to_owned(), json!(cpu));
        }
        let mut container = json!({
            "name": CONTAINER,
            "image": self.image,
            "args": self.args(),
            "ports": [{"name": "shardlane-admin", "containerPort": 9380}],
            "startupProbe": Probe { path: "/startup", period_s: 1, timeout_s: 2, failures: 60 }.to_json(),
            "livenessProbe": Probe { path: "/livez", period_s: 10, timeout_s: 5, failures: 6 }.to_json(),
            "resources": {
                "requests": {"cpu": self.cpu_request, "memory": self.memory_request},
                "limits": limits,
            },
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        });
        let mut add = |key: &str, value| {
            if let Some(members) = container.as_object_mut() {
                members.insert(key.to_owned(), value);
            }
        };
        if self.config_map.is_none() {
            add("env", json!([{"name": "SHARDLANE_LOG_FORMAT", "value": "json"}]));
        }
        add("volumeMounts", mounted.collect());
        match self.mode {
            Mode::Native => add("restartPolicy", json!("Always")),
            Mode::Classic => {
                // The kubelet starts the next container only after this hook.
                let wait = ["/shardlane", "wait", "--timeout", "300", "--admin", ADMIN];
                add("lifecycle", json!({"postStart": {"exec": {"command": wait}}}));
            }
        }
        container
    }

    /// Its volumes.
    #[must_use]
    pub(crate) fn volumes(&self) -> Vec<Value> {
        let volume = |mount: Mount| {
            let mut volume = mount.source;
            if let Some(members) = volume.as_object_mut() {
                members.insert("name".to_owned(), mount.volume.into());
            }
            volume
        };
        self.mounts().into_iter().map(volume).collect()
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec!["run".to_owned()];
        let mut flag = |name: &str, value: Option<&str>| {
            args.extend(value.map(|value| format!("{name}={value}")));
        };
        flag("--config", self.config_map.as_ref().map(|_| "/etc/shardlane/shardlane.toml"));
        flag("--bind", Some(&format!("{HOST}:{PORT}")));
        flag("--admin", Some(ADMIN));
        flag("--contact-points", self.contact_points.as_deref());
        flag("--port", self.port.as_deref());
        flag("--data-center", self.data_center.as_deref());
        flag("--rack", self.rack.as_deref());
        flag("--username", self.username.as_deref());
        let secret = self.password_secret.as_ref();
        flag("--password-file", secret.map(|_| "/run/secrets/shardlane/password"));
        flag("--state-file", Some("/var/lib/shardlane/state"));
        flag("--tls-ca", self.tls_secret.as_ref().map(|_| "/run/secrets/shardlane-tls/ca.crt"));
        if self.mode == Mode::Classic {
            // All containers are ended at once: the application's last work still finds the cluster.
            flag("--min-sigterm-delay", Some("5"));
            flag("--max-sigterm-delay", Some("15"));
        }
        args
    }

    fn mounts(&self) -> Vec<Mount> {
        let config = self.config_map.as_ref().map(|name| Mount {
            volume: "shardlane-config",
            path: "/etc/shardlane",
            is_written: false,
            source: json!({"configMap": {"name": name}}),
        });
        // What it has learned, for a container that is started again in this pod.
        let state = Mount {
            volume: "shardlane-state",
            path: "/var/lib/shardlane",
            is_written: true,
            source: json!({"emptyDir": {"sizeLimit": "160Mi"}}),
        };
        let secret = |volume, path, name: &Option<String>, key: &str| {
            name.as_ref().map(|name| Mount {
                volume,
                path,
                is_written: false,
                // Read by the owner and the group only.
                source: json!({"secret": {
                    "secretName": name,
                    "defaultMode": 0o440,
                    "items": [{"key": key, "path": key}],
                }}),
            })
        };
        let password = secret(
            "shardlane-password",
            "/run/secrets/shardlane",
            &self.password_secret,
            "password",
        );
        let tls = secret("shardlane-tls", "/run/secrets/shardlane-tls", &self.tls_secret, "ca.crt");
        [config, Some(state), password, tls].into_iter().flatten().collect()
    }
}

/// How the sidecar is asked whether it works.
struct Probe {
    path: &'static str,
    period_s: u32,
    timeout_s: u32,
    /// After so many in a row without success something is done about it.
    failures: u32,
}

impl Probe {
    fn to_json(&self) -> Value {
        json!({
            "httpGet": {"path": self.path, "port": "shardlane-admin"},
            "periodSeconds": self.period_s,
            "timeoutSeconds": self.timeout_s,
            "failureThreshold": self.failures,
        })
    }
}
