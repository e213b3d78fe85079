//! Roles in the HTTP API: what CREATE, ALTER, DROP ROLE, GRANT and REVOKE do.

use crate::cluster::roles::{Permission, Roles};

/// Applies `action` to the role `name`; `value` looks up a parameter. The error is a message.
pub(crate) fn change(
    roles: &mut Roles,
    name: &str,
    action: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<(), String> {
    let wanted = |key: &str| value(key).ok_or_else(|| format!("parameter {key} is missing"));
    let is_true = |key: &str| value(key).is_some_and(|value| value == "true");
    let unknown = || format!("there is no role {name}");
    if action == "create" {
        roles.create(name, &wanted("password")?, is_true("superuser"));
        return Ok(());
    }
    if action == "drop" {
        return if roles.drop_role(name) { Ok(()) } else { Err(unknown()) };
    }
    let role = roles.get_mut(name).ok_or_else(unknown)?;
    match action {
        "password" => role.password = wanted("password")?,
        "login" => role.may_log_in = is_true("on"),
        "grant" | "revoke" => {
            let (keyspace, table) = (wanted("ks")?, wanted("table")?);
            for permission in [Permission::Select, Permission::Modify] {
                let grant = (permission, keyspace.clone(), table.clone());
                if action == "grant" {
                    role.grants.insert(grant);
                } else {
                    role.grants.remove(&grant);
                }
            }
        }
        _ => return Err(format!("there is no action {action}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_created_granted_and_dropped() {
        let mut roles = Roles::new(&[("root".to_owned(), "pw".to_owned())]);
        let values = |key: &str| match key {
            "password" => Some("secret".to_owned()),
            "ks" => Some("k".to_owned()),
            "table" => Some("t".to_owned()),
            _ => None,
        };
        assert!(change(&mut roles, "bob", "grant", values).is_err());
        change(&mut roles, "bob", "create", values).unwrap();
        change(&mut roles, "bob", "grant", values).unwrap();
        assert_eq!(roles.get("bob").unwrap().grants.len(), 2);
        change(&mut roles, "bob", "login", values).unwrap();
        let refused = roles.log_in("bob", b"secret").unwrap_err();
        assert_eq!(refused, "bob is not permitted to log in");
        change(&mut roles, "bob", "drop", values).unwrap();
        assert!(change(&mut roles, "bob", "drop", values).is_err());
    }
}
