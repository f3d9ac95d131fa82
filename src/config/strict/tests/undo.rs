//! From the first file that an undo puts back to the last.

use super::*;

#[test]
fn it_holds_whatever_files_say_until_the_undo_is_over_and_then_for_those_there_are() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files) = device(tmp.path());
    let package = |option: &str| format!("config socketman 'main'\n\toption {option}\n");
    let (before, after) = (package("insecure '1'"), package("insecure '0'"));
    write_private(&files.uci, &after);
    hold_with(&inputs.load(None), Some(before.as_bytes())).unwrap();
    // Another config.json, which the package before had named; and one that is cut off.
    let other = files.json.with_file_name("other.json");
    let names = package("config '/etc/socketman/other.json'");
    for (file, uci) in [(&other, &names), (&files.json, &before)] {
        write_private(&files.uci, uci);
        write_private(file, r#"{"insecure": 1}"#);
        assert_eq!(inputs.load(None).tightened, ["insecure"], "{uci}");
        assert_eq!(inputs.load(None).keep_good_copies(), []);
        write_private(file, "{");
        assert_eq!(inputs.load(None).tightened, ["insecure"], "{uci}");
    }
    std::fs::remove_file(&files.json).unwrap();
    settle(&inputs);
    let settled = inputs.load(None);
    assert_eq!(settled.tightened, ["insecure"]);
    assert!(Settled::of(&settled).is_none());
    // The same change once more lifts it, and taking that back is a change, too.
    write_private(&files.uci, &after);
    assert!(inputs.load(None).strict.is_outdated);
    forget(&files);
    write_private(&files.uci, &before);
    assert_eq!(inputs.load(None).tightened, [""; 0]);
}

#[test]
fn a_record_that_another_undo_has_written_stays_as_it_is() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files) = device(tmp.path());
    job(&[], false).keep(&files, None).unwrap();
    let settled = Settled::of(&inputs.load(None)).unwrap();
    job(&[1], false).keep(&files, None).unwrap();
    let record = text(&files.home).unwrap();
    settled.keep(&files.home);
    assert_eq!(text(&files.home).unwrap(), record);
}

#[test]
fn a_settings_file_that_cannot_be_read_is_no_value_of_a_job() {
    let options = |insecure, more: &str| {
        format!("config socketman 'main'\n\toption web_jobs '1'\n\toption insecure '{insecure}'\n{more}")
    };
    let uci = options(1, "");
    let misnamed = "\toption config 'relative/path'\n";
    // The package and config.json that a job leaves, and what stays as strict as it has set it.
    for (package, json, held) in [
        (&uci, Some("{"), &[][..]),
        (&options(1, misnamed), None, &[]),
        (&options(0, misnamed), None, &["insecure"]),
    ] {
        let tmp = tempfile::tempdir().unwrap();
        let (inputs, files) = device(tmp.path());
        write_private(&files.uci, &uci);
        let before = inputs.load(None);
        assert_eq!(before.keep_good_copies(), []);
        write_private(&files.uci, package);
        if let Some(json) = json {
            write_private(&files.json, json);
        }
        let job = inputs.load(Some(&before));
        assert!(job.config.closed.jobs().is_some() && !job.config.api.insecure);
        hold_with(&job, Some(uci.as_bytes())).unwrap();
        write_private(&files.uci, &uci);
        let _ = std::fs::remove_file(&files.json);
        settle(&inputs);
        let after = inputs.load(Some(&job));
        assert_eq!(after.tightened, held, "{package}");
        assert!(after.config.closed.jobs().is_none());
    }
}

#[test]
fn what_the_disk_does_not_give_once_is_not_recorded_as_the_strictest() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files, json) = held_below(tmp.path());
    let open_to = |mode| {
        let mode = Permissions::from_mode(mode);
        std::fs::set_permissions(&files.home, mode).unwrap();
    };
    open_to(0o755);
    let start = inputs.load(None);
    assert_eq!(start.tightened, ["job_pubkey", "insecure"]);
    assert!(can_be_kept(&files).is_err());
    assert!(job(&[1], false).keep(&files, None).is_err());
    open_to(0o700);
    can_be_kept(&files).unwrap();
    assert!(hold_with(&start, None).is_err());
    let again = inputs.load(Some(&start));
    assert_eq!(again.tightened, ["insecure"]);
    hold_with(&again, None).unwrap();
    write_private(&files.json, &json);
    settle(&inputs);
    assert_eq!(inputs.load(None).tightened, ["insecure"]);
}

#[test]
fn what_an_earlier_undo_holds_stays_held_where_the_package_cannot_be_read() {
    let tmp = tempfile::tempdir().unwrap();
    let (inputs, files) = device(tmp.path());
    let package = "config socketman 'main'\n\toption insecure '1'\n";
    write_private(&files.uci, package);
    assert_eq!(inputs.load(None).keep_good_copies(), []);
    is_undone(&inputs, job(&[], false));
    let cut = "config socketman 'main";
    write_private(&files.uci, cut);
    let before = inputs.load(None);
    assert_eq!(before.tightened, ["web_jobs", "insecure"]);
    write_private(&files.uci, format!("{package}\toption monitor '21'\n"));
    let job = inputs.load(Some(&before));
    assert!(job.config.api.insecure);
    hold_with(&job, Some(cut.as_bytes())).unwrap();
    write_private(&files.uci, cut);
    assert_eq!(inputs.load(Some(&before)).tightened, before.tightened);
}
