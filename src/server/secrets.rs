//! The proxy's own password, read again when its file changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::config::settings::Settings;
use crate::pool::login::credential::Credential;
use crate::server::assemble;

/// What a look at the file found.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Look {
    Same,
    /// Connections opened from now on prove themselves with the new password.
    Changed,
    /// It cannot be used; the password that we have stays.
    Unusable(String),
}

/// Looks at the password's file as long as the process lives. The log says what became of it,
/// never what is in it.
pub(crate) async fn follow(settings: Settings, credential: Arc<Credential>) {
    let settings = Arc::new(settings);
    let mut before = Look::Same;
    loop {
        // It is short, and what its times say depends on the file system: Kubernetes swaps a link.
        sleep(Duration::from_millis(settings.file_poll_ms)).await;
        let (of_file, used) = (Arc::clone(&settings), Arc::clone(&credential));
        // A file system may be slow, or hang.
        let Ok(now) = spawn_blocking(move || look(&of_file, &used)).await else { return };
        let file = settings.password_file.clone().unwrap_or_default();
        match &now {
            Look::Changed => {
                tracing::info!(file = %file.display(), "new connections use the new password");
            }
            Look::Unusable(reason) if now != before => {
                tracing::warn!(file = %file.display(), reason, "the password file is not used");
            }
            Look::Unusable(_) | Look::Same => {}
        }
        before = now;
    }
}

fn look(settings: &Settings, credential: &Credential) -> Look {
    match assemble::secret_token(settings) {
        Ok(Some(token)) if token != credential.token() => {
            credential.replace(token);
            Look::Changed
        }
        Ok(_) => Look::Same,
        Err(error) => Look::Unusable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fs;
    use std::process;

    use super::*;

    #[test]
    fn a_new_password_is_used_and_a_broken_file_is_not() {
        let path = env::temp_dir().join(format!("shardlane-rotated-{}", process::id()));
        fs::write(&path, "old\n").unwrap();
        let settings = Settings {
            username: Some("app".to_owned()),
            password_file: Some(path.clone()),
            ..Settings::default()
        };
        let credential = assemble::credential(&settings).unwrap().unwrap();
        assert_eq!(look(&settings, &credential), Look::Same);
        fs::write(&path, "new\n").unwrap();
        assert_eq!(look(&settings, &credential), Look::Changed);
        assert_eq!(credential.token().reveal(), b"\0app\0new");
        fs::write(&path, "\n").unwrap();
        let unusable = look(&settings, &credential);
        fs::remove_file(&path).unwrap();
        assert_eq!(unusable, Look::Unusable("the file is empty".to_owned()));
        assert!(matches!(look(&settings, &credential), Look::Unusable(_)));
        assert_eq!(credential.token().reveal(), b"\0app\0new");
    }
}
