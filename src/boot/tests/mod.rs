//! Tests of the reason of a boot.

mod causes;
mod device;
mod kept_log;
mod memory;
mod traces;
