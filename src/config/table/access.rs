//! Settings of logins and of TLS: [auth], [tls] and [bind_tls].

use rustls::pki_types::ServerName;

use crate::config::setting::{Flag, Form, Number, Reload, Setting, SettingKind, keep};
use crate::config::settings::AuthMode;
use crate::config::table::group::Group;
use crate::listen::client_tls::HANDSHAKES_MAX;

const PEM: &str = "the path of a PEM file";

/// `[auth]`
pub(super) const AUTH: Group = Group {
    table: "auth",
    about: "Logins. docs/authentication.md says more.",
    settings: &[
        Setting {
            key: "auth.mode",
            flag: Some(Flag::once("MODE")),
            kind: SettingKind::Text {
                form: Form::Words(&["service", "pass-through"]),
                takes: "service or pass-through, or remove the setting",
                read: |text, settings| keep(text.parse().map(Some), &mut settings.auth_mode),
                show: |settings| {
                    let mode = settings.auth_mode.map(AuthMode::name);
                    mode.unwrap_or_default().to_owned()
                },
            },
            what: "Whose rights clients have: their own (pass-through) or the proxy's (service); if \
                   unset, the proxy's if it has a role",
            why: "The proxy's role is `username`. With \"pass-through\" the cluster judges each login, \
                  and `username` is only used to watch the cluster before the first client has \
                  logged in. A cluster that asks for no login then lets every client in.",
            example: r#""pass-through""#,
            ..Setting::PLAIN
        },
        Setting {
            key: "auth.recheck_s",
            kind: SettingKind::Number {
                min: 1,
                max: 3_600,
                field: |settings| Number::U64(&mut settings.auth_recheck_s),
            },
            reload: Reload::AtOnce,
            what: "How often the cluster is asked again whether a credential in use is still valid",
            why: "For pass-through. If the cluster refuses the credential, because its password was \
                  changed or its role dropped, its clients are closed. Each question costs a node \
                  one password hash.",
            ..Setting::PLAIN
        },
    ],
};

/// `[tls]`
pub(super) const TLS: Group = Group {
    table: "tls",
    about: "TLS with the nodes; docs/tls.md says more. All files are PEM. They are looked at again \
            every `timeouts.file_poll_ms`: new ones serve new connections, without a restart.",
    settings: &[
        Setting {
            key: "tls.ca",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: PEM,
                is_secret: false,
                field: |settings| &mut settings.node_tls.files.ca,
            },
            reload: Reload::Restart,
            what: "CAs that sign the nodes' certificates; with it, connections to the nodes use TLS",
            why: "Set `port` to the nodes' TLS port as well, which is mostly 9142. Unset, \
                  connections to the nodes are not encrypted.",
            example: r#""/etc/shardlane/tls/ca.crt""#,
        },
        Setting {
            key: "tls.cert",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: PEM,
                is_secret: false,
                field: |settings| &mut settings.node_tls.files.cert,
            },
            reload: Reload::Restart,
            what: "The proxy's certificate, for nodes that ask for one",
            why: "Nodes ask with `require_client_auth: true`. It needs `tls.key`.",
            example: r#""/etc/shardlane/tls/tls.crt""#,
        },
        Setting {
            key: "tls.key",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: PEM,
                is_secret: false,
                field: |settings| &mut settings.node_tls.files.key,
            },
            reload: Reload::Restart,
            what: "Key of that certificate",
            why: "A key that does not belong to `tls.cert` is refused at the start.",
            example: r#""/etc/shardlane/tls/tls.key""#,
        },
        Setting {
            key: "tls.server_name",
            flag: Some(Flag::once("NAME")),
            kind: SettingKind::Text {
                form: Form::Plain,
                takes: "a host name or an address that the nodes' certificates bear",
                read: |text, settings| {
                    let is_name = ServerName::try_from(text).is_ok();
                    let name = is_name.then(|| Some(text.to_owned()));
                    let name = name.ok_or_else(|| "no host name".to_owned());
                    keep(name, &mut settings.node_tls.server_name)
                },
                show: |settings| settings.node_tls.server_name.clone().unwrap_or_default(),
            },
            reload: Reload::Restart,
            what: "Name that all nodes' certificates bear, if not their address",
            why: "Unset, a certificate may also bear any host name among `contact_points`.",
            example: r#""scylla.example.com""#,
        },
        Setting {
            key: "tls.verify_name",
            flag: Some(Flag::once("BOOL")),
            kind: SettingKind::Switch { field: |settings| &mut settings.node_tls.verify_name },
            reload: Reload::Restart,
            what: "Whether the nodes' certificates must bear that name",
            why: "If false, everyone who has a certificate of the CA can pose as a node. That the CA \
                  signed the certificate is always checked.",
            ..Setting::PLAIN
        },
    ],
};

/// `[bind_tls]`
pub(super) const BIND_TLS: Group = Group {
    table: "bind_tls",
    about: "TLS with clients that connect over TCP. A Unix socket is never encrypted.",
    settings: &[
        Setting {
            key: "bind_tls.cert",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: PEM,
                is_secret: false,
                field: |settings| &mut settings.client_tls.files.cert,
            },
            reload: Reload::Restart,
            what: "The proxy's certificate for clients; with it, clients over TCP have to use TLS",
            why: "It needs `bind_tls.key`. Unset, connections of clients are not encrypted.",
            example: r#""/etc/shardlane/clients/tls.crt""#,
        },
        Setting {
            key: "bind_tls.key",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: PEM,
                is_secret: false,
                field: |settings| &mut settings.client_tls.files.key,
            },
            reload: Reload::Restart,
            what: "Key of that certificate",
            why: "A key that does not belong to `bind_tls.cert` is refused at the start.",
            example: r#""/etc/shardlane/clients/tls.key""#,
        },
        Setting {
            key: "bind_tls.client_ca",
            flag: Some(Flag::once("FILE")),
            kind: SettingKind::File {
                takes: PEM,
                is_secret: false,
                field: |settings| &mut settings.client_tls.files.ca,
            },
            reload: Reload::Restart,
            what: "CAs of clients; with it, a client has to show a certificate of one of them",
            why: "Unset, clients are asked for no certificate.",
            example: r#""/etc/shardlane/clients/ca.crt""#,
        },
        Setting {
            key: "bind_tls.handshake_ms",
            kind: SettingKind::Number {
                min: 10,
                max: 600_000,
                field: |settings| Number::U64(&mut settings.client_tls.handshake_timeout_ms),
            },
            reload: Reload::Restart,
            what: "Longest handshake of a client",
            why: "A client that takes longer is closed, so that silent connections hold no room.",
            ..Setting::PLAIN
        },
        Setting {
            key: HANDSHAKES_MAX,
            kind: SettingKind::Number {
                min: 1,
                max: 100_000,
                field: |settings| Number::Usize(&mut settings.client_tls.handshakes_max),
            },
            reload: Reload::Restart,
            what: "Handshakes of clients that may run at the same time, in the whole process",
            why: "A handshake costs CPU, and anyone who reaches the port can ask for one. Where \
                  so many run, the one that has run for longest gives way to another client, after a \
                  tenth of a second at least, and is closed and counted; so is a client that comes \
                  when all have just begun.",
            ..Setting::PLAIN
        },
    ],
};
