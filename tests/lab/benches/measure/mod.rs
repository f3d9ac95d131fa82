//! The parts that benchmarks of the agent share: its build, and the kernel's word on a process.
#![allow(dead_code)] // each benchmark uses some of it

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Builds the agent as the package does, below the directory where cargo built us.
pub(crate) fn build() -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").ok_or("start it with cargo bench")?;
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).ok_or("start it with cargo bench")?;
    let status = Command::new(cargo)
        .args(["build", "--profile", "openwrt", "-p", "socketman"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .status()?;
    match status.success() {
        true => Ok(target.join("openwrt/socketman")),
        false => Err("the agent does not build".into()),
    }
}

/// CPU time of all threads so far, ms.
pub(crate) fn cpu(pid: i32) -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        let ran = schedstat.split_whitespace().next().ok_or("schedstat")?;
        nanoseconds += ran.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e6)
}

/// A line of /proc/PID/status, MiB.
pub(crate) fn memory(pid: i32, key: &str) -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(key));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kibibytes.ok_or("no such line")?.parse::<f64>()? / 1024.0)
}
