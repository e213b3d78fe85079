//! Roles, passwords and grants of a simulated cluster.

use std::collections::{BTreeMap, BTreeSet};

/// What a grant allows on a table.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Permission {
    /// Reading.
    Select,
    /// Writing.
    Modify,
}

impl Permission {
    /// The word in errors and grants.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Modify => "MODIFY",
        }
    }
}

/// One role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Role {
    /// Its password.
    pub password: String,
    /// Whether it may log in.
    pub may_log_in: bool,
    /// Whether it is a superuser.
    pub is_superuser: bool,
    /// Permission, keyspace and table of each grant.
    pub grants: BTreeSet<(Permission, String, String)>,
}

/// All roles. If there were none at the start, no login is required and everything is permitted.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    enabled: bool,
    roles: BTreeMap<String, Role>,
}

impl Roles {
    /// Superusers by name and password. If empty, no login is required.
    #[must_use]
    pub fn new(users: &[(String, String)]) -> Self {
        let mut roles = Self { enabled: !users.is_empty(), roles: BTreeMap::new() };
        for (name, password) in users {
            roles.create(name, password, true);
        }
        roles
    }

    /// Whether clients must log in.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// A role by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Role> {
        self.roles.get(name)
    }

    /// A role by its name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Role> {
        self.roles.get_mut(name)
    }

    /// CREATE ROLE … WITH LOGIN = true; a role of this name is replaced.
    pub fn create(&mut self, name: &str, password: &str, is_superuser: bool) {
        let role = Role {
            password: password.to_owned(),
            may_log_in: true,
            is_superuser,
            grants: BTreeSet::new(),
        };
        self.roles.insert(name.to_owned(), role);
    }

    /// DROP ROLE; returns whether the role existed.
    pub fn drop_role(&mut self, name: &str) -> bool {
        self.roles.remove(name).is_some()
    }

    /// Checks a name and a password; the error is the server's text.
    pub fn log_in(&self, name: &str, password: &[u8]) -> Result<(), String> {
        let role = self.get(name).filter(|role| role.password.as_bytes() == password);
        match role {
            Some(role) if role.may_log_in => Ok(()),
            Some(_) => Err(format!("{name} is not permitted to log in")),
            None => Err("Username and/or password are incorrect".to_owned()),
        }
    }
}
