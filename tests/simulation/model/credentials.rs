//! Who may log in with what, and who may read which table: the model's own word, beside the cluster's.

use std::collections::BTreeMap;

use crate::model::keys::KEY_KINDS;
use crate::model::statements::{KEYSPACES, own_table};
use sim::{Cluster, Permission, answer_to};

/// The role that fills the cluster, and that the control connection has.
pub(crate) const ROOT: (&str, &str) = ("root", "root");
/// Tables that every role may read and write.
const COMMON: [&str; 4] = ["t", "c", "l", "b"];

/// A role with one of its passwords.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Credential {
    /// Which role.
    pub(crate) role: usize,
    /// Which of its passwords; the one of number 0 was never right.
    pub(crate) edition: u32,
}

impl Credential {
    fn name(self) -> String {
        format!("r{}", self.role)
    }

    fn password(self) -> String {
        format!("pw{}", self.edition)
    }

    /// What AUTH_RESPONSE carries.
    pub(crate) fn token(self) -> Vec<u8> {
        format!("\0{}\0{}", self.name(), self.password()).into_bytes()
    }

    /// The same in a form that is no SASL PLAIN message, and that nodes take all the same.
    pub(crate) fn odd_token(self) -> Vec<u8> {
        [b"x\0".to_vec(), self.token()].concat()
    }

    /// What a client says that wants to be challenged.
    pub(crate) fn name_alone(self) -> Vec<u8> {
        self.name().into_bytes()
    }

    /// What it answers.
    pub(crate) fn answer_to(self, challenge: &[u8]) -> Vec<u8> {
        answer_to(challenge, self.password().as_bytes())
    }

    /// Whose token this is.
    pub(crate) fn of_token(token: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(token).ok()?;
        let text = text.strip_prefix("x\0").unwrap_or(text);
        let (role, edition) = text.strip_prefix("\0r")?.split_once("\0pw")?;
        Some(Self { role: role.parse().ok()?, edition: edition.parse().ok()? })
    }

    /// Whether it may read the table that is `owner`'s own. The first role may do everything.
    pub(crate) fn may_read(self, owner: usize) -> bool {
        self.is_superuser() || self.role == owner
    }

    /// Whether it may do everything.
    pub(crate) fn is_superuser(self) -> bool {
        self.role == 0
    }
}

/// All roles of a world; none where no client logs in.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    /// The edition that each role has now, or had last.
    editions: Vec<u32>,
    /// Since when a credential is taken no longer.
    withdrawn: BTreeMap<Credential, u64>,
    /// Whether no honest client has the last role.
    keeps_last: bool,
}

impl Credentials {
    /// Makes `count` roles in the cluster; `keeps_last` keeps the last one from honest clients.
    pub(crate) fn make(count: usize, keeps_last: bool, cluster: &mut Cluster) -> Self {
        let mut made = Self { editions: vec![0; count], withdrawn: BTreeMap::new(), keeps_last };
        for role in 0..count {
            made.withdrawn.insert(Credential { role, edition: 0 }, 0);
            made.restore(role, cluster);
        }
        made
    }

    /// How many roles there are.
    pub(crate) fn len(&self) -> usize {
        self.editions.len()
    }

    /// How many of them honest clients have: the last one is kept for those that change their guise.
    pub(crate) fn honest(&self) -> usize {
        self.editions.len() - usize::from(self.keeps_last)
    }

    /// What a role has now, or had last.
    pub(crate) fn last(&self, role: usize) -> Option<Credential> {
        let edition = *self.editions.get(role)?;
        Some(Credential { role, edition })
    }

    /// Whose answer to a challenge this is.
    pub(crate) fn of_answer(
        &self,
        name: &str,
        challenge: &[u8],
        answer: &[u8],
    ) -> Option<Credential> {
        let role = name.strip_prefix('r')?.parse().ok()?;
        let last = *self.editions.get(role)?;
        let mut all = (0..=last).map(|edition| Credential { role, edition });
        all.find(|credential| credential.answer_to(challenge) == answer)
    }

    /// Since when the cluster does not take it.
    pub(crate) fn withdrawn_us(&self, credential: Credential) -> Option<u64> {
        self.withdrawn.get(&credential).copied()
    }

    /// A role is dropped, or has another password.
    pub(crate) fn withdraw(
        &mut self,
        role: usize,
        is_dropped: bool,
        now_us: u64,
        cluster: &mut Cluster,
    ) {
        let Some(last) = self.last(role) else { return };
        self.withdrawn.entry(last).or_insert(now_us);
        if is_dropped {
            let _known = cluster.roles.drop_role(&last.name());
        } else {
            self.restore(role, cluster);
        }
    }

    /// A role has a new password and its rights; it is made if it was dropped.
    pub(crate) fn restore(&mut self, role: usize, cluster: &mut Cluster) {
        let Some(last) = self.last(role) else { return };
        if self.withdrawn_us(last).is_none() {
            return;
        }
        let next = Credential { edition: last.edition + 1, ..last };
        if let Some(edition) = self.editions.get_mut(role) {
            *edition = next.edition;
        }
        cluster.roles.create(&next.name(), &next.password(), next.is_superuser());
        let Some(made) = cluster.roles.get_mut(&next.name()) else { return };
        for keyspace in KEYSPACES {
            let mut grant = |right, table: &str| {
                made.grants.insert((right, keyspace.to_owned(), table.to_owned()));
            };
            for table in COMMON {
                grant(Permission::Select, table);
                grant(Permission::Modify, table);
            }
            for kind in &KEY_KINDS {
                grant(Permission::Select, kind.table_name());
            }
            grant(Permission::Select, &own_table(role));
        }
    }
}
