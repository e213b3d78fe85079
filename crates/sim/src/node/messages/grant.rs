//! GRANT and REVOKE: a superuser changes what a role may do.

use crate::cluster::cluster::Cluster;
use crate::cql::ast::Grant;
use crate::node::connection::Connection;
use crate::node::frames::answer::Answer;
use crate::node::frames::refusal::{INVALID, Refusal, UNAUTHORIZED};
use crate::node::frames::result;
use cql::opcode::Opcode;

/// Runs GRANT or REVOKE.
pub(crate) fn run(
    cluster: &mut Cluster,
    connection: &Connection,
    grant: &Grant,
) -> Result<Answer, Refusal> {
    let Some(user) = connection.user.as_deref().filter(|_| cluster.roles.is_enabled()) else {
        let text = "You have to be logged in and not anonymous to perform this request";
        return Err(Refusal::new(UNAUTHORIZED, text));
    };
    let table = cluster.database.schema().find(&grant.table, connection.keyspace.as_deref())?;
    let (keyspace, name) = (table.keyspace.clone(), table.name.clone());
    if !cluster.roles.get(user).is_some_and(|role| role.is_superuser) {
        let text = format!(
            "User {user} has no AUTHORIZE permission on <table {keyspace}.{name}> or any of its parents"
        );
        return Err(Refusal::new(UNAUTHORIZED, text));
    }
    let unknown = || Refusal::new(INVALID, format!("Role {} doesn't exist.", grant.role));
    let role = cluster.roles.get_mut(&grant.role).ok_or_else(unknown)?;
    for right in &grant.rights {
        let entry = (*right, keyspace.clone(), name.clone());
        if grant.is_given {
            role.grants.insert(entry);
        } else {
            role.grants.remove(&entry);
        }
    }
    Ok(Answer::new(Opcode::Result, result::void()))
}
