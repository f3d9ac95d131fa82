//! libFuzzer's program. `tests/fuzz/run` builds and runs it.
#![no_main]

use allocation_counter::measure;
use libfuzzer_sys::fuzz_target;
use socketman_fuzz::{begin, target};

fuzz_target!(init: begin(), |input: &[u8]| {
    let target = target();
    let bytes = measure(|| (target.run)(input)).bytes_max;
    let room = target.room(input.len());
    assert!(bytes <= room, "{bytes} bytes of memory for an input of {}, where {room} are allowed", input.len());
});
