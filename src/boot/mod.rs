//! The reason of a boot: noted before the device reboots, found after it.

use std::future::Future;
use std::pin::Pin;

/// Why the agent reboots the device. It is on flash before the reboot is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The last step of the ladder.
    Recovery,
    /// The undo of a network job did not bring the device back.
    Guard { job: String },
    /// A job of type `reboot`.
    Job { id: String },
}

/// Notes why, and has procd reboot the device; an error in words if it does not. `Recovery` and `Guard`
/// count in the budget of three a day.
pub type Reboot = Box<dyn Fn(Why) -> Asked + Send + Sync>;

/// A reboot that was asked for.
pub type Asked = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
