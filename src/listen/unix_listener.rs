//! A Unix domain socket: its file is made, guarded by its mode, and taken away again.

use std::fs;
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::UnixListener;

/// Connections that the kernel keeps until they are accepted, of a TCP listener as well: clients that
/// come before the first lane is up wait there, and are served then.
pub(super) const BACKLOG: i32 = 1024;

/// Listens at a path; the file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file that we made; a successor's file is left alone.
    file: Option<(u64, u64)>,
}

impl UnixSocket {
    /// Makes the socket's file, with permissions `mode`. One that a process left behind is
    /// removed first, but only if no process listens at it. Called within a runtime.
    pub(crate) fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        // No client can connect before this, so the file's mode always holds.
        socket.listen(BACKLOG)?;
        let listener = UnixListener::from_std(socket.into())?;
        let made = fs::symlink_metadata(path)?;
        Ok(Self { listener, path: path.to_owned(), file: Some((made.dev(), made.ino())) })
    }

    /// Listens at a path where another process listens, by its descriptor. The file is that process's until
    /// [`UnixSocket::own`].
    pub(crate) fn take_over(path: &Path, descriptor: OwnedFd) -> io::Result<Self> {
        let listener = std::os::unix::net::UnixListener::from(descriptor);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Self { listener, path: path.to_owned(), file: None })
    }

    /// The file is this process's from now on, and so is the process id that clients see (`SO_PEERCRED`): the kernel
    /// takes it from the process that called `listen` last.
    pub(crate) fn own(&mut self) {
        if let Err(error) = SockRef::from(&self.listener).listen(BACKLOG) {
            tracing::debug!(%error, "clients of a Unix socket see the id of the process before");
        }
        let found = fs::symlink_metadata(&self.path).ok();
        self.file = found.map(|found| (found.dev(), found.ino()));
    }

    /// The file is another process's from now on.
    pub(crate) fn leave(&mut self) {
        self.file = None;
    }

    /// The next client.
    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await?.0.into_std()
    }

    /// The file.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The next client.
    pub(crate) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        self.listener.poll_accept(context).map(|accepted| accepted?.0.into_std())
    }
}

impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| Some((found.dev(), found.ino())) == self.file);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the Unix socket's file cannot be removed");
        }
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let what = "a file is there that is no socket; remove it, or give another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => {
            let what = "another process listens there; stop it, or give another path";
            Err(io::Error::new(io::ErrorKind::AddrInUse, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process;

    use super::*;

    fn path(name: &str) -> PathBuf {
        env::temp_dir().join(format!("shardlane-{}-{name}.sock", process::id()))
    }

    #[tokio::test]
    async fn the_file_has_its_mode_and_goes_with_the_listener() {
        let path = path("mode");
        let socket = UnixSocket::bind(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(UnixStream::connect(socket.path()).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_left_behind_is_replaced_and_a_live_one_is_not() {
        let path = path("stale");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = UnixSocket::bind(&path, 0o660).unwrap();
        let error = UnixSocket::bind(&path, 0o660).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("another process listens"), "{error}");
        assert!(UnixStream::connect(&path).is_ok(), "the first one still listens");
        drop(socket);
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let path = path("file");
        fs::write(&path, "mine").unwrap();
        let error = UnixSocket::bind(&path, 0o660).unwrap_err();
        let kept = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(kept, "mine");
        assert!(error.to_string().contains("no socket"), "{error}");
    }

    #[tokio::test]
    async fn the_file_of_a_process_before_stays_until_it_has_left() {
        let path = path("before");
        let before = UnixSocket::bind(&path, 0o660).unwrap();
        let descriptor = || before.as_fd().try_clone_to_owned().unwrap();
        drop(UnixSocket::take_over(&path, descriptor()).unwrap());
        assert!(path.exists(), "it serves on");
        let mut taken = UnixSocket::take_over(&path, descriptor()).unwrap();
        taken.own();
        drop(taken);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_file_of_a_successor_stays() {
        let path = path("successor");
        let socket = UnixSocket::bind(&path, 0o660).unwrap();
        fs::remove_file(&path).unwrap();
        let successor = UnixSocket::bind(&path, 0o660).unwrap();
        drop(socket);
        assert!(path.exists());
        drop(successor);
    }
}
