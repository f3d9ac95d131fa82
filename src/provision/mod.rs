//! First contact: who this device is.

pub mod identity;

pub use identity::{identify, Identity, IdentityError};
