//! The lab's bus, held against what the real daemon did.

mod conversations;
mod malformed;
mod peer;
mod socket;
