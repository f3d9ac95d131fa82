//! First contact: who this device is.

pub mod identity;
pub mod wan;

pub use identity::{identify, Identity, IdentityError};
