use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use tempfile::TempDir;

use super::*;
use crate::config::{strict, Inputs};
use crate::guard::desk::loosely;
use crate::tls::CHECKS;

/// Writes a settings file as an operator should.
fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn below(dir: &TempDir) -> Found {
    let state = dir.path().join("state");
    let config = dir.path().join("config");
    fs::create_dir_all(&config).unwrap();
    find(&state, &[], &config, dir.path(), "boot-1", loosely())
}

/// Waits for the disk, whatever the clock of the test says.
async fn journal(places: &Places) -> Option<Journal> {
    loop {
        if let Ok(journal) = places.on_disk(Desk::open).await {
            return journal.unwrap();
        }
        std::thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_arms_too_late_leaves_nothing_behind() {
    let dir = TempDir::new().unwrap();
    let places = below(&dir).places;
    fs::write(dir.path().join("config/large"), vec![b'#'; 1 << 19]).unwrap();
    let mut late = 0;
    for _ in 0..20 {
        let armed = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
        match places.arm(armed).await {
            Ok(armed) => assert_eq!(journal(&places).await, Some(armed)),
            Err(error) => {
                let late_words = "no room to undo a network job: the disk does not answer in time";
                assert_eq!(error.to_string(), late_words);
                assert_eq!(journal(&places).await, None);
                late += 1;
            }
        }
    }
    assert!(late > 0);
}

#[tokio::test(start_paused = true)]
async fn work_that_is_late_is_done_before_anything_newer_begins() {
    let dir = TempDir::new().unwrap();
    let places = below(&dir).places;
    let (release, waits) = mpsc::channel::<()>();
    let (does, done) = mpsc::channel();
    let first = does.clone();
    let work = move |_: &mut Desk| {
        first.send("begins").unwrap();
        // Until the other end is dropped.
        let _ = waits.recv();
        first.send("ends").unwrap();
    };
    assert!(places.on_disk(work).await.is_err());
    assert_eq!(done.recv().unwrap(), "begins");
    let second = does.clone();
    let work = move |_: &mut Desk| second.send("begins").unwrap();
    assert!(places.on_disk(work).await.is_err());
    drop(release);
    assert_eq!(journal(&places).await, None);
    drop(does);
    assert_eq!(done.iter().collect::<Vec<_>>(), ["ends"]);
}

#[tokio::test]
async fn a_trial_behind_a_path_that_cannot_be_followed_is_found_later() {
    let dir = TempDir::new().unwrap();
    let mut desk = below(&dir).places.desk().unwrap();
    let mut armed = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
    desk.arm(&mut armed).unwrap();
    let (state, away) = (dir.path().join("state"), dir.path().join("away"));
    fs::rename(&state, &away).unwrap();
    fs::write(&state, "a file in its place").unwrap();
    let found = below(&dir);
    assert!(found.is_unread && found.journal.is_none());
    fs::remove_file(&state).unwrap();
    fs::rename(&away, &state).unwrap();
    let found = found.look_again().await.unwrap();
    assert_eq!(found.journal.unwrap().key, armed.key);
}

#[test]
fn files_that_cannot_be_put_back_after_a_power_cut_are_told() {
    let dir = TempDir::new().unwrap();
    let mut desk = below(&dir).places.desk().unwrap();
    let mut journal = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
    desk.arm(&mut journal).unwrap();
    journal.phase = Phase::Undoing;
    desk.note(&journal).unwrap();
    fs::write(dir.path().join("state/guard/snapshot"), "damaged").unwrap();
    let found = below(&dir).journal.unwrap();
    let reason = found.reason.as_deref();
    assert_eq!(reason, Some("not put back: the snapshot is damaged"));
    assert!(!found.has_booted("boot-1"));
}

#[test]
fn the_next_agent_loosens_nothing_with_an_undo_that_the_disk_did_not_let_through() {
    let dir = TempDir::new().unwrap();
    let inputs = Inputs::below(dir.path(), CHECKS);
    let files = inputs.load(None).files;
    let config = files.uci.parent().unwrap();
    fs::create_dir_all(config).unwrap();
    let package = |insecure| format!("config socketman 'main'\n\toption insecure '{insecure}'\n");
    write_private(&files.uci, &package(1));
    let state = dir.path().join("state");
    let find = |hold| find(&state, &[], config, dir.path(), "boot-1", hold);
    let mut desk = find(loosely()).places.desk().unwrap();
    let mut journal = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
    desk.arm(&mut journal).unwrap();
    write_private(&files.uci, &package(0));
    desk.ended(&mut journal, None).unwrap();
    journal.phase = Phase::Undoing;
    desk.note(&journal).unwrap();
    let job = inputs.load(None);
    let hold = Arc::new(move |uci: Option<&[u8]>| strict::hold_with(&job, uci));
    let found = find(hold);
    assert!(found.has_undone && found.journal.unwrap().phase == Phase::Undone);
    assert_eq!(fs::read_to_string(&files.uci).unwrap(), package(1));
    let now = inputs.load(None);
    assert!(!now.config.api.insecure, "{:?}", now.warnings);
    assert_eq!(now.tightened, ["insecure"]);
}

#[test]
fn a_trial_behind_a_state_directory_that_is_not_read_is_looked_for_there() {
    let dir = TempDir::new().unwrap();
    let (before, config) = (dir.path().join("before"), dir.path().join("config"));
    let state = dir.path().join("state");
    fs::create_dir_all(&before).unwrap();
    fs::write(before.join("guard"), "a file in its place").unwrap();
    let found = find(
        &state,
        std::slice::from_ref(&before),
        &config,
        dir.path(),
        "boot-1",
        loosely(),
    );
    assert!(found.is_unread);
    assert_eq!(found.state_dir(), before);
}

#[test]
fn an_undo_is_over_when_every_file_is_back() {
    let dir = TempDir::new().unwrap();
    let mut desk = below(&dir).places.desk().unwrap();
    let network = dir.path().join("config/network");
    fs::write(&network, "old").unwrap();
    let mut journal = Journal::armed("63f7f2ef43cc92ee".into(), "job-1".into());
    desk.arm(&mut journal).unwrap();
    fs::remove_file(&network).unwrap();
    fs::create_dir(&network).unwrap();
    desk.ended(&mut journal, None).unwrap();
    assert_eq!(desk.undo(&mut journal).unwrap().failed.len(), 1);
    assert_eq!(journal.phase, Phase::Undoing);
    fs::remove_dir(&network).unwrap();
    assert_eq!(desk.undo(&mut journal).unwrap().failed, [""; 0]);
    assert_eq!(journal.phase, Phase::Undone);
    assert_eq!(fs::read_to_string(network).unwrap(), "old");
}
