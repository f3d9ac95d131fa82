//! Releases of the firmware and versions of the agent, and which are the same.

/// True if `running` (version and revision, `24.10.2 r28739-d9340319c6`) is the release that was wanted by both or by one of
/// the two.
pub fn is_release(running: &str, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    running == wanted || running.split(' ').any(|word| word == wanted)
}

/// True if `running` is the version of an agent that was wanted, with or without the package's release (`0.2.0-r1`).
pub fn is_version(running: &str, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    let version = wanted
        .split_once("-r")
        .map_or(wanted, |(version, _)| version);
    running == version || running == wanted
}
