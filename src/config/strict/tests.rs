mod undo;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use std::path::Path;

use super::record::{hash, text, NAME};
use super::*;
use crate::config::json::MAX_FILE;
use crate::config::tests::write_private;
use crate::config::{Files, Inputs, Problem};
use crate::process::clock::Pace;
use crate::process::file::read_small;

fn job(keys: &[u8], is_open: bool) -> Strict {
    let mut config = Config::defaults(Path::new("/"), Pace::REAL);
    config.jobs.pubkey = keys.iter().map(|key| PublicKey([*key; 32])).collect();
    (
        config.jobs.from_web,
        config.api.commands,
        config.api.insecure,
    ) = (is_open, is_open, is_open);
    Strict::of(&config)
}

/// The values kept for these files as they are.
fn in_force(files: &Files) -> Option<Strict> {
    let digest = |file: &Path| hash(read_small(file, MAX_FILE).ok().as_deref());
    let digests = [digest(&files.uci), digest(&files.json)];
    Strict::decode(&text(&files.home).unwrap()?, &digests)
}

#[test]
fn of_two_sets_of_keys_those_in_both_stay() {
    let both = |ours: &[u8], others: &[u8]| {
        let mut strict = job(ours, true);
        strict.narrow(&job(others, true).keys);
        let keys: Vec<u8> = strict.keys.iter().map(|key| key.0[0]).collect();
        (keys, strict.closed)
    };
    assert_eq!(both(&[], &[]), (vec![], false));
    assert_eq!(both(&[], &[1]), (vec![1], false));
    assert_eq!(both(&[1], &[]), (vec![1], false));
    // The job had taken a key away, which may have been stolen, or added one.
    assert_eq!(both(&[1], &[1, 2]), (vec![1], false));
    assert_eq!(both(&[1, 2], &[1]), (vec![1], false));
    assert_eq!(both(&[1], &[2]), (vec![], true));
}

/// A device without settings.
fn device(root: &Path) -> (Inputs, Files) {
    let inputs = Inputs::below(root, crate::tls::CHECKS);
    let files = inputs.load(None).files;
    for file in [&files.uci, &files.json] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    }
    (inputs, files)
}

/// The undo of a job that had these values is over, and the settings are as they are now.
fn is_undone(inputs: &Inputs, strict: Strict) {
    let files = inputs.load(None).files;
    let uci = read_small(&files.uci, MAX_FILE).ok();
    strict.keep(&files, uci.as_deref()).unwrap();
    settle(inputs);
}

/// No job runs any more.
fn settle(inputs: &Inputs) {
    let loaded = inputs.load(None);
    Settled::of(&loaded).unwrap().keep(&loaded.files.home);
}

#[test]
fn it_is_kept_until_a_file_changes() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files) = device(tmp.path());
    let uci = "config socketman 'main'\n";
    write_private(&files.uci, uci);
    assert_eq!(in_force(&files), None);
    let first = job(&[1, 2], true);
    is_undone(&inputs, first.clone());
    assert_eq!(in_force(&files), Some(first));
    // Another one comes on top.
    let second = job(&[2, 3], false);
    assert_eq!(second.off, ["insecure"], "the others follow from the keys");
    is_undone(&inputs, second);
    assert_eq!(in_force(&files), Some(job(&[2], false)));
    let off = |name| Strict {
        off: vec![name],
        ..Strict::default()
    };
    for name in ["web_jobs", "web_jobs", "api_commands"] {
        is_undone(&inputs, off(name));
    }
    let mut all = in_force(&files).unwrap().off;
    all.sort_unstable();
    assert_eq!(all, ["api_commands", "insecure", "web_jobs"]);
    // Either file.
    write_private(&files.json, "{}");
    assert_eq!(in_force(&files), None);
    std::fs::remove_file(&files.json).unwrap();
    assert!(in_force(&files).is_some());
    // A reload that takes it for outdated knows an older one.
    forget(&files);
    assert!(in_force(&files).is_some());
    write_private(&files.uci, "config socketman 'main'\n\n");
    assert_eq!(in_force(&files), None);
    forget(&files);
    assert!(!files.home.join(NAME).exists());
}

#[test]
fn options_are_held_as_a_job_had_set_them_that_was_undone_until_somebody_changes_the_settings() {
    let tmp = tempfile::tempdir().unwrap();
    let inputs = Inputs::below(tmp.path(), crate::tls::CHECKS);
    let files = inputs.load(None).files;
    std::fs::create_dir_all(files.json.parent().unwrap()).unwrap();
    let write = |json: &str| write_private(&files.json, json);
    let keys = |keys: &[u8]| {
        let keys = keys.iter().map(|key| BASE64_STANDARD.encode([*key; 32]));
        keys.collect::<Vec<_>>().join(" ")
    };
    let open = r#""web_jobs": 1, "api_commands": 1, "insecure": 1"#;
    let switches = SWITCHES.map(|name| (name, false)).to_vec();
    // Keys as written, the job as it was, and what is held: the keys in force, or that none is.
    for (written, strict, held, in_force) in [
        (&[][..], job(&[], false), switches, Some(&[][..])),
        (
            &[1, 2],
            job(&[1], true),
            vec![("job_pubkey", true)],
            Some(&[1]),
        ),
        (&[1, 2], job(&[1, 2], true), vec![], Some(&[1, 2])),
        (&[1], job(&[3], true), vec![("job_pubkey", true)], None),
    ] {
        let json = format!(r#"{{"job_pubkey": "{}", {open}}}"#, keys(written));
        write(&json);
        // The copy of these very bytes would hold once more.
        let _ = std::fs::remove_dir_all(&files.home);
        assert_eq!(inputs.load(None).tightened, [""; 0], "{json}");
        is_undone(&inputs, strict);
        let loaded = inputs.load(None);
        let names: Vec<_> = held.iter().map(|(name, _)| *name).collect();
        assert_eq!(loaded.tightened, names, "{json}");
        for name in names {
            let says = |warning: &Problem| {
                warning.option.as_deref() == Some(name) && warning.reason.ends_with(WHY)
            };
            assert!(loaded.warnings.iter().any(says), "{:?}", loaded.warnings);
            assert_eq!(loaded.source_of(name), "strictest value");
        }
        let config = &loaded.config;
        assert_eq!(config.closed.jobs().is_some(), in_force.is_none());
        if let Some(in_force) = in_force {
            let now: Vec<u8> = config.jobs.pubkey.iter().map(|key| key.0[0]).collect();
            assert_eq!(now, in_force);
        }
        write(&format!("{json} "));
        assert_eq!(inputs.load(None).tightened, [""; 0], "{json}");
    }
}

#[test]
fn each_option_is_held_for_itself() {
    for open in SWITCHES {
        let tmp = tempfile::tempdir().unwrap();
        let inputs = Inputs::below(tmp.path(), crate::tls::CHECKS);
        let files = inputs.load(None).files;
        std::fs::create_dir_all(files.json.parent().unwrap()).unwrap();
        let values = SWITCHES.map(|name| format!(r#""{name}": {}"#, u8::from(name == open)));
        let json = format!("{{{}}}", values.join(", "));
        write_private(&files.json, json.as_bytes());
        is_undone(&inputs, job(&[], false));
        assert_eq!(inputs.load(None).tightened, [open]);
    }
}

/// A device below `root` with settings that a job's undo has left open, and `insecure` held at 0.
fn held_below(root: &Path) -> (Inputs, Files, Vec<u8>) {
    let inputs = Inputs::below(root, crate::tls::CHECKS);
    let files = inputs.load(None).files;
    std::fs::create_dir_all(files.json.parent().unwrap()).unwrap();
    let json = br#"{"web_jobs": 0, "insecure": 1}"#.to_vec();
    write_private(&files.json, &json);
    assert_eq!(inputs.load(None).keep_good_copies(), []);
    is_undone(&inputs, job(&[], false));
    assert_eq!(inputs.load(None).tightened, ["insecure"]);
    (inputs, files, json)
}

#[test]
fn a_file_that_is_cut_off_loosens_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files, json) = held_below(tmp.path());
    write_private(&files.json, &json[..4]);
    let cut = inputs.load(None);
    // Its copy says that any certificate will do.
    assert_eq!(cut.tightened, ["insecure"]);
    assert!(!cut.config.api.insecure && !cut.strict.is_outdated);
    // Without a copy nothing is known, and it may come back.
    std::fs::remove_file(files.copy_dir.join("config.json")).unwrap();
    assert!(!inputs.load(None).strict.is_outdated);
    write_private(&files.json, &json);
    assert_eq!(inputs.load(None).tightened, ["insecure"]);
    write_private(
        &files.json,
        br#"{"web_jobs": 0, "insecure": 1, "monitor": 20}"#,
    );
    let changed = inputs.load(None);
    assert!(changed.config.api.insecure && changed.strict.is_outdated);
}

#[test]
fn what_an_init_server_changes_loosens_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files, json) = held_below(tmp.path());
    let given = br#"{"web_jobs": 0, "insecure": 1, "token": "t"}"#;
    keep_for(&files, Some(&json), Some(given)).unwrap();
    // A power cut before and after config.json is written, and the settings before, which come back.
    for bytes in [&json[..], given, &json] {
        write_private(&files.json, bytes);
        let loaded = inputs.load(None);
        assert_eq!(loaded.tightened, ["insecure"]);
        assert!(!loaded.strict.is_outdated);
    }
    // Once more.
    let then = br#"{"web_jobs": 0, "insecure": 1, "token": "u"}"#;
    write_private(&files.json, given);
    keep_for(&files, Some(given), Some(then)).unwrap();
    write_private(&files.json, then);
    assert_eq!(inputs.load(None).tightened, ["insecure"]);
    // Values for other files come into force by no change of the server.
    keep_for(&files, Some(b"{}"), Some(&json)).unwrap();
    write_private(&files.json, &json);
    assert!(inputs.load(None).strict.is_outdated);
}

#[test]
fn damage_keeps_nobody_from_changing_config_json_and_loosens_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files, json) = held_below(tmp.path());
    write_private(&files.home.join(NAME), "damaged");
    let given = br#"{"web_jobs": 0, "api_commands": 1, "insecure": 1}"#;
    keep_for(&files, Some(&json), Some(given)).unwrap();
    write_private(&files.json, given);
    assert_eq!(held_at_a_start(&inputs).1, STRICTEST);
}

#[test]
fn options_stay_held_while_the_disk_does_not_give_what_is_held() {
    let tmp = tempfile::tempdir().unwrap();
    let inputs = Inputs::below(tmp.path(), crate::tls::CHECKS);
    let files = inputs.load(None).files;
    std::fs::create_dir_all(files.json.parent().unwrap()).unwrap();
    let json = r#"{"insecure": 1, "web_jobs": 0}"#;
    write_private(&files.json, json);
    is_undone(&inputs, job(&[], false));
    let held = inputs.load(None);
    assert_eq!(held.tightened, ["insecure"]);
    let open_to = |mode| {
        let mode = Permissions::from_mode(mode);
        std::fs::set_permissions(&files.home, mode).unwrap();
    };
    open_to(0o755);
    let shut_out = inputs.load(Some(&held));
    assert_eq!(shut_out.tightened, ["insecure"]);
    write_private(&files.json, r#"{"insecure": 1, "monitor": 20}"#);
    let changed = inputs.load(Some(&shut_out));
    assert_eq!(changed.tightened, [""; 0]);
    assert!(changed.strict.is_outdated);
    forget(&files);
    open_to(0o700);
    assert!(text(&files.home).unwrap().is_some());
    forget(&files);
    assert!(text(&files.home).unwrap().is_none());
    let forgotten = inputs.load(Some(&changed));
    assert!(!forgotten.strict.is_outdated);
}

/// The options that are held at a start, each with the reason for people.
fn held_at_a_start(inputs: &Inputs) -> (Loaded, Vec<&'static str>) {
    let loaded = inputs.load(None);
    let held = loaded.tightened.clone();
    let says = |name: &&str| {
        let mut warnings = loaded.warnings.iter();
        warnings.any(|it| it.option.as_deref() == Some(*name) && it.reason.ends_with(LOST))
    };
    assert!(held.iter().all(says), "{:?}", loaded.warnings);
    (loaded, held)
}

/// Everything, and `web_jobs` is off as written.
const STRICTEST: [&str; 3] = ["job_pubkey", "api_commands", "insecure"];

#[test]
fn the_strictest_is_held_in_the_place_of_a_record_that_is_damaged_until_somebody_changes_the_settings(
) {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files, json) = held_below(tmp.path());
    let open = br#"{"web_jobs": 0, "api_commands": 1, "insecure": 1}"#;
    write_private(&files.json, open);
    let record = files.home.join(NAME);
    let damage = || write_private(&record, "damaged");
    damage();
    let (start, held) = held_at_a_start(&inputs);
    assert_eq!(held, STRICTEST);
    assert!(start.config.closed.jobs().is_some() && start.config.closed.link().is_none());
    assert!(!start.strict.is_outdated);
    // A reload finds it as damaged as before.
    let again = inputs.load(Some(&start));
    assert_eq!(again.tightened, STRICTEST);
    assert!(!again.strict.is_outdated);
    write_private(&files.json, &json);
    let changed = inputs.load(Some(&again));
    assert_eq!(changed.tightened, [""; 0]);
    assert!(changed.strict.is_outdated);
    // So it is for the next agent.
    write_private(&files.json, open);
    renew(&start);
    let (next, held) = held_at_a_start(&inputs);
    assert_eq!(held, STRICTEST);
    // A running agent knows what was held.
    damage();
    assert_eq!(inputs.load(Some(&next)).tightened, STRICTEST);
    renew(&next);
    write_private(&files.json, &json);
    assert!(inputs.load(None).strict.is_outdated);
    // An undo does not replace it by what one job had set.
    damage();
    is_undone(&inputs, job(&[], true));
    assert_eq!(held_at_a_start(&inputs).1, ["job_pubkey", "insecure"]);
}

#[test]
fn the_strictest_is_held_while_a_start_cannot_read_what_is_held() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files, json) = held_below(tmp.path());
    let open_to = |mode| {
        let mode = Permissions::from_mode(mode);
        std::fs::set_permissions(&files.home, mode).unwrap();
    };
    open_to(0o755);
    // Which bytes the settings have is not known either.
    write_private(&files.json, "{");
    let cut = inputs.load(None);
    write_private(&files.json, &json);
    let start = inputs.load(Some(&cut));
    assert!(start.config.closed.jobs().is_some() && !start.strict.is_outdated);
    assert_eq!(start.tightened, ["job_pubkey", "insecure"]);
    open_to(0o700);
    renew(&start);
    let back = inputs.load(Some(&start));
    assert_eq!(back.tightened, ["insecure"]);
    // Nothing was held.
    std::fs::remove_file(files.home.join(NAME)).unwrap();
    open_to(0o755);
    assert_eq!(inputs.load(None).tightened, [""; 0]);
}
