//! A descriptor that tells when something has happened.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

/// Has the runtime wait for `interest` in a descriptor.
///
/// For types whose descriptor stays the same as long as they live.
pub(super) fn watched<T: AsRawFd>(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // Deprecated for types whose descriptor may change under it; the call in its place is unsafe.
    #[allow(deprecated)]
    AsyncFd::with_interest(inner, interest)
}
