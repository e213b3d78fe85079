//! Permissions of roles, checked when a statement runs, not when it is prepared.

use crate::cluster::cluster::Cluster;
use crate::cluster::roles::{Permission, Role};
use crate::node::connection::Connection;
use crate::node::frames::refusal::{INVALID, Refusal, UNAUTHORIZED};
use crate::store::plans::prepared::{Prepared, StatementKind};

/// Tables of `system` that every role may read.
const READABLE: [&str; 2] = ["local", "peers"];

/// Refuses a statement that the connection's role may not run, with the server's text.
pub(crate) fn check(
    cluster: &Cluster,
    connection: &Connection,
    prepared: &Prepared,
) -> Result<(), Refusal> {
    let is_free = match prepared.kind {
        StatementKind::Use | StatementKind::Describe => true,
        StatementKind::Select
        | StatementKind::Modification
        | StatementKind::Batch
        | StatementKind::Schema
        | StatementKind::Truncate
        | StatementKind::Grant => false,
    };
    if !cluster.roles.is_enabled() || is_free {
        return Ok(());
    }
    let user = connection.user.as_deref().unwrap_or("anonymous");
    let permission = match prepared.kind {
        StatementKind::Select => Some(Permission::Select),
        StatementKind::Modification | StatementKind::Batch | StatementKind::Truncate => {
            Some(Permission::Modify)
        }
        StatementKind::Schema
        | StatementKind::Use
        | StatementKind::Describe
        | StatementKind::Grant => None,
    };
    let tables = prepared.tables();
    let open = |keyspace: &str, name: &str| {
        permission == Some(Permission::Select)
            && (keyspace == "system_schema" || keyspace == "system" && READABLE.contains(&name))
    };
    if !tables.is_empty() && tables.iter().all(|table| open(&table.keyspace, &table.name)) {
        return Ok(());
    }
    let Some(role) = cluster.roles.get(user) else {
        return Err(Refusal::new(INVALID, format!("Role {user} doesn't exist.")));
    };
    let Some(permission) = permission else {
        let text = format!(
            "User {user} has no CREATE permission on <all keyspaces> or any of its parents"
        );
        let refusal = Refusal::new(UNAUTHORIZED, text);
        return if role.is_superuser { Ok(()) } else { Err(refusal) };
    };
    let forbidden = tables.into_iter().find(|it| !may(role, permission, &it.keyspace, &it.name));
    match forbidden {
        Some(table) => {
            let text = format!(
                "User {user} has no {} permission on <table {}.{}> or any of its parents",
                permission.word(),
                table.keyspace,
                table.name
            );
            Err(Refusal::new(UNAUTHORIZED, text))
        }
        None => Ok(()),
    }
}

fn may(role: &Role, permission: Permission, keyspace: &str, name: &str) -> bool {
    let granted = || role.grants.contains(&(permission, keyspace.to_owned(), name.to_owned()));
    role.is_superuser || granted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::options::ClusterOptions;
    use crate::node::probe::Probe;
    use cql::opcode::Opcode;

    #[test]
    fn a_role_may_do_what_it_was_granted_and_nothing_else() {
        let users = vec![("root".to_owned(), "pw".to_owned())];
        let options =
            ClusterOptions { users, schema_lag: Default::default(), ..Default::default() };
        let mut cluster = Cluster::new(options).unwrap();
        let root = Probe::log_in(&mut cluster, "root", "pw");
        for text in [
            "CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': 1}",
            "CREATE TABLE k.t (k int PRIMARY KEY)",
        ] {
            assert_eq!(root.query(&mut cluster, text).opcode(), Opcode::Result, "{text}");
        }
        cluster.roles.create("bob", "pw", false);
        let bob = Probe::log_in(&mut cluster, "bob", "pw");
        let read = |cluster: &mut Cluster| bob.query(cluster, "SELECT * FROM k.t");
        let text = "User bob has no SELECT permission on <table k.t> or any of its parents";
        assert_eq!(read(&mut cluster).error(), (0x2100, text.to_owned()));
        let grant = (Permission::Select, "k".to_owned(), "t".to_owned());
        cluster.roles.get_mut("bob").unwrap().grants.insert(grant);
        assert_eq!(read(&mut cluster).opcode(), Opcode::Result);
        let write = bob.query(&mut cluster, "INSERT INTO k.t (k) VALUES (1)").error();
        assert_eq!(write.0, 0x2100);

        assert!(cluster.roles.drop_role("bob"));
        assert_eq!(read(&mut cluster).error(), (0x2200, "Role bob doesn't exist.".to_owned()));
        let local = bob.query(&mut cluster, "SELECT * FROM system.local");
        assert_eq!(local.opcode(), Opcode::Result);
    }
}
