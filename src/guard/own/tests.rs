use super::*;
use crate::config::Inputs;
use crate::tls::CHECKS;

#[test]
fn settings_that_no_earlier_job_has_changed_are_free_when_the_last_job_has_ended() {
    let tmp = tempfile::tempdir().unwrap();
    let inputs = Inputs::below(tmp.path(), CHECKS);
    let files = inputs.load(None).files;
    let (held, is_held) = watch::channel(true);
    let own = Own::new(held, tmp.path().join("replacing"));
    own.starts(&files, false);
    own.is_free(&files);
    assert!(*is_held.borrow());
    own.ends();
    assert!(!*is_held.borrow() && !own.is_inherited());
    own.starts(&files, false);
    assert!(*is_held.borrow());
    own.ends();
    assert!(!*is_held.borrow());
}

/// Writes a settings file as an operator should.
fn write(path: &Path, text: &str) {
    let copy = GoodCopy {
        of: path.to_owned(),
        bytes: text.as_bytes().into(),
    };
    let (_waits, waiting) = Waiting::new();
    super::write(&copy, None, &waiting).unwrap();
}

/// An undo on a device, after an agent that began it.
struct Undo {
    inputs: Inputs,
    files: Files,
    own: Own,
    conflicts: PathBuf,
}

/// A network job runs on a device whose config.json says that, or which has none.
fn undo(root: &Path, before: Option<&str>) -> Undo {
    let inputs = Inputs::below(root, CHECKS);
    let files = inputs.load(None).files;
    write(&files.uci, "config socketman 'main'\n");
    if let Some(before) = before {
        write(&files.json, before);
    }
    assert_eq!(inputs.load(None).keep_good_copies(), []);
    Undo {
        inputs,
        own: Own::new(watch::channel(true).0, root.join("replacing")),
        files,
        conflicts: root.join("conflict"),
    }
}

impl Undo {
    /// config.json after the job's command has written that.
    fn after(&self, text: &str) -> Json {
        let mut json = Json::before(&self.files.json).unwrap();
        write(&self.files.json, text);
        json.see();
        json
    }

    /// The next agent does what is owed, while somebody waits for it.
    fn go_on(&self, json: &Json) -> io::Result<JsonBack> {
        let (_waits, waiting) = Waiting::new();
        self.go_on_for(json, &waiting)
    }

    fn go_on_for(&self, json: &Json, waiting: &Waiting) -> io::Result<JsonBack> {
        let loaded = self.inputs.load(None).with_kept_copies();
        let own = &self.own;
        own.put_json_back(&loaded, json, &self.conflicts, waiting)
    }

    fn json(&self) -> Option<String> {
        std::fs::read_to_string(&self.files.json).ok()
    }
}

const BEFORE: &str = r#"{"insecure": 1}"#;

const AFTER: &str = r#"{"insecure": 0}"#;

const EDITED: &str = r#"{"keepalive": 40}"#;

#[test]
fn config_json_is_put_back_where_the_agent_before_could_not_and_loosens_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let undo = undo(tmp.path(), Some(BEFORE));
    let json = undo.after(AFTER);
    let back = undo.go_on(&json).unwrap();
    assert!(back.is_late && !back.is_conflict);
    assert_eq!(undo.json().as_deref(), Some(BEFORE));
    assert_eq!(undo.inputs.load(None).tightened, ["insecure"]);
    // Once is enough.
    assert_eq!(undo.go_on(&json).unwrap(), JsonBack::default());
    assert!(!undo.conflicts.exists());
}

#[test]
fn what_somebody_makes_of_a_config_json_that_is_owed_is_kept() {
    for before in [Some(BEFORE), None] {
        let tmp = tempfile::tempdir().unwrap();
        let undo = undo(tmp.path(), before);
        let json = undo.after(AFTER);
        write(&undo.files.json, EDITED);
        let back = undo.go_on(&json).unwrap();
        assert!(back.is_late && back.is_conflict, "{before:?}");
        assert_eq!(undo.json().as_deref(), before);
        let kept = std::fs::read_to_string(undo.conflicts.join("config.json"));
        assert_eq!(kept.unwrap(), EDITED, "{before:?}");
    }
}

#[test]
fn a_config_json_is_owed_until_the_package_names_it_again() {
    let tmp = tempfile::tempdir().unwrap();
    let undo = undo(tmp.path(), Some(BEFORE));
    let json = undo.after(AFTER);
    let package = std::fs::read_to_string(&undo.files.uci).unwrap();
    let names = format!("{package}\toption config '/etc/socketman/other.json'\n");
    write(&undo.files.uci, &names);
    write(&undo.files.json.with_file_name("other.json"), AFTER);
    assert!(undo.go_on(&json).is_err());
    assert!(!json.goes_back(&undo.inputs.load(None).with_kept_copies()));
    write(&undo.files.uci, &package);
    assert!(json.goes_back(&undo.inputs.load(None).with_kept_copies()));
    assert!(undo.go_on(&json).unwrap().is_late);
    assert_eq!(undo.json().as_deref(), Some(BEFORE));
}

#[test]
fn a_config_json_that_a_job_has_added_goes() {
    let tmp = tempfile::tempdir().unwrap();
    let undo = undo(tmp.path(), None);
    let json = undo.after(AFTER);
    assert!(!json.was_there);
    let loaded = || undo.inputs.load(None).with_kept_copies();
    // An agent that has not seen the start cannot know.
    assert!(!undo.own.have_changed(&loaded()));
    undo.own.is_added(&undo.files.json);
    assert!(undo.own.have_changed(&loaded()));
    let (_waits, waiting) = Waiting::new();
    undo.own.put_back(&loaded(), &waiting).unwrap();
    assert_eq!(undo.json(), None);
    assert!(!undo.own.have_changed(&loaded()));
    // The same, where the files of the job are back already.
    write(&undo.files.json, AFTER);
    assert!(undo.go_on(&json).unwrap().is_late);
    assert_eq!(undo.json(), None);
}

#[test]
fn nothing_is_put_back_when_nobody_waits_for_it_any_more() {
    for before in [Some(BEFORE), None] {
        let tmp = tempfile::tempdir().unwrap();
        let undo = undo(tmp.path(), before);
        let json = undo.after(AFTER);
        if before.is_none() {
            undo.own.is_added(&undo.files.json);
        }
        let (waits, waiting) = Waiting::new();
        drop(waits);
        let late = undo.go_on_for(&json, &waiting).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let job = undo.inputs.load(None).with_kept_copies();
        let late = undo.own.put_back(&job, &waiting).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        assert_eq!(undo.json().as_deref(), Some(AFTER), "{before:?}");
    }
}

#[test]
fn an_undo_beside_a_file_that_never_could_be_used_loosens_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let inputs = Inputs::below(tmp.path(), CHECKS);
    let files = inputs.load(None).files;
    let uci = "config socketman 'main'\n\toption cacrt '/missing.pem'\n";
    write(&files.uci, uci);
    write(&files.json, r#"{"insecure": 1}"#);
    let before = inputs.load(None);
    assert!(before.good_copies()[0].is_none());
    let own = Own::new(watch::channel(false).0, tmp.path().join("replacing"));
    own.starts(&files, false);
    write(&files.json, r#"{"insecure": 0}"#);
    let after = inputs.load(Some(&before)).with_copies_of(&before);
    assert!(own.have_changed(&after) && !after.is_usable());
    let (_waits, waiting) = Waiting::new();
    own.put_back(&after, &waiting).unwrap();
    let now = inputs.load(Some(&before));
    assert_eq!(std::fs::read_to_string(&files.uci).unwrap(), uci);
    assert_eq!(
        std::fs::read_to_string(&files.json).unwrap(),
        r#"{"insecure": 1}"#
    );
    assert!(now.tightened.contains(&"insecure"), "{:?}", now.tightened);
}
