//! tests/data/signed-jobs: keys, jobs, the bytes that are signed, and signatures. They were made with
//! Python's `cryptography`, and docs/jobs.md shows them.

use std::fs;
use std::path::PathBuf;

use super::*;

const NAMES: [&str; 6] = [
    "plain",
    "unicode",
    "detach",
    "every-device",
    "ping",
    "cancel",
];

fn data(name: &str) -> String {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = project.join("tests/data/signed-jobs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn line(name: &str) -> String {
    data(name).trim_end().to_owned()
}

#[test]
fn jobs_signed_elsewhere_run() {
    let public = BASE64_STANDARD.decode(line("operator.key.pub")).unwrap();
    let keys = [PublicKey(public.try_into().unwrap())];
    let identity = MAC.parse().unwrap();
    for name in NAMES {
        let mut job: Value = serde_json::from_str(&data(&format!("{name}.json"))).unwrap();
        let text = signed_text(&read(&job)).unwrap();
        let expected = data(&format!("{name}.text"));
        assert_eq!(String::from_utf8(text).unwrap(), expected, "{name}");
        job["sig"] = json!(line(&format!("{name}.sig")));
        let job = read(&job);
        let judge = Judge::new(Keys::Set(&keys), &identity);
        let now = job.timestamp.unwrap();
        assert_eq!(judge.again(&job, now), Ok(()), "{name}");
    }
    let count =
        fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/signed-jobs"))
            .unwrap()
            .count();
    assert_eq!(count, 2 + 3 * NAMES.len(), "every file is used");
}

#[test]
fn the_docs_show_them() {
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/jobs.md");
    let docs = fs::read_to_string(docs).unwrap();
    let mut shown = vec![data("operator.key"), line("operator.key.pub")];
    for name in NAMES {
        shown.extend(["json", "text", "sig"].map(|kind| line(&format!("{name}.{kind}"))));
    }
    for text in shown {
        assert!(
            docs.contains(text.trim_end()),
            "not in docs/jobs.md: {text}"
        );
    }
}
