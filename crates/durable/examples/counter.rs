//! Counts its own starts, through any power cut: `counter DIRECTORY`.

use std::env;
use std::error::Error;
use std::path::Path;

use durable::{Cell, Directory};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("usage: counter DIRECTORY")?;
    let mut directory = Directory::open(Path::new(&path))?;
    let starts = Cell::new("starts");
    let before = match starts.read(&mut directory)? {
        Some(bytes) => u32::from_le_bytes(bytes.as_slice().try_into()?),
        None => 0,
    };
    let now = before.saturating_add(1);
    starts.write(&mut directory, &now.to_le_bytes())?;
    println!("start {now}");
    Ok(())
}
