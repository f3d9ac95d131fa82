//! The bus client against the lab's bus, which is proved equal to the real one, and against peers
//! that misbehave.

mod bus;
mod calls;
mod limits;
mod objects;
mod peer;

use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);
const CALL: Duration = Duration::from_secs(5);
