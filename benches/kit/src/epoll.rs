//! Level-triggered epoll with timeouts in nanoseconds.

use std::io;
use std::os::fd::RawFd;

/// Wake when there is something to read.
pub const IN: u32 = libc::EPOLLIN as u32;
/// Wake when there is room to write.
pub const OUT: u32 = libc::EPOLLOUT as u32;

/// One epoll instance and room for the events of one wait.
pub struct Epoll {
    fd: RawFd,
    evs: Vec<libc::epoll_event>,
}
impl Epoll {
    /// A new instance.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a flag, touches no memory.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { fd, evs: vec![libc::epoll_event { events: 0, u64: 0 }; 256] })
    }
    fn ctl(&self, op: i32, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        let mut e = libc::epoll_event { events, u64: token };
        // SAFETY: `e` lives through the call.
        if unsafe { libc::epoll_ctl(self.fd, op, fd, &mut e) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
    /// Watches `fd`; its events carry `token`.
    pub fn add(&self, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        self.ctl(libc::EPOLL_CTL_ADD, fd, events, token)
    }
    /// Changes what `fd` is watched for.
    pub fn modify(&self, fd: RawFd, events: u32, token: u64) -> io::Result<()> {
        self.ctl(libc::EPOLL_CTL_MOD, fd, events, token)
    }
    /// Stops watching `fd`.
    pub fn del(&self, fd: RawFd) {
        let _ = self.ctl(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }
    /// Waits; `timeout_ns` None blocks. Returns the number of events, read with `event`.
    pub fn wait(&mut self, timeout_ns: Option<u64>) -> io::Result<usize> {
        // SAFETY: `evs` has room for as many events as the call is told, and `ts` outlives it.
        let n = unsafe {
            match timeout_ns {
                None => libc::epoll_wait(self.fd, self.evs.as_mut_ptr(), self.evs.len() as i32, -1)
                    as i64,
                Some(ns) => {
                    let ts = libc::timespec {
                        tv_sec: (ns / 1_000_000_000) as i64,
                        tv_nsec: (ns % 1_000_000_000) as i64,
                    };
                    libc::syscall(
                        libc::SYS_epoll_pwait2,
                        self.fd,
                        self.evs.as_mut_ptr(),
                        self.evs.len() as i32,
                        &ts as *const libc::timespec,
                        std::ptr::null::<libc::sigset_t>(),
                        0usize,
                    )
                }
            }
        };
        if n < 0 {
            let e = io::Error::last_os_error();
            if e.kind() == io::ErrorKind::Interrupted {
                return Ok(0);
            }
            return Err(e);
        }
        Ok(n as usize)
    }
    /// Token and flags of the `i`-th event of the last wait.
    #[inline]
    pub fn event(&self, i: usize) -> (u64, u32) {
        let e = self.evs[i];
        (e.u64, e.events)
    }
}
impl Drop for Epoll {
    fn drop(&mut self) {
        // SAFETY: this object alone owns `fd`.
        unsafe { libc::close(self.fd) };
    }
}
