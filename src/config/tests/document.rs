//! Files that say nothing, and values at their bounds.

use super::*;

#[test]
fn a_file_that_says_nothing_names_file_line_and_column_and_leaves_the_defaults() {
    let big = vec![b' '; json::MAX_FILE as usize + 1];
    let deep = "[".repeat(100_000);
    let cases: &[(&[u8], Option<usize>, &str)] = &[
        (b"", Some(1), "is empty (line 1, column 1)"),
        (b" \n", Some(1), "is empty (line 1, column 1)"),
        (b"[]", Some(1), "is not a JSON object (line 1, column 1)"),
        (
            b"\"hunter2\"",
            Some(1),
            "is not a JSON object (line 1, column 9)",
        ),
        (b"null", Some(1), "is not a JSON object (line 1, column 4)"),
        (
            b"{\n \"token\": \"hunter2\",\n \"po",
            Some(3),
            "ends in the middle (line 3, column 4)",
        ),
        (
            b"{\"port\": 1883",
            Some(1),
            "ends in the middle (line 1, column 13)",
        ),
        (
            b"{\"token\": hunter2}",
            Some(1),
            "is not JSON: expected value (line 1, column 11)",
        ),
        (
            b"{\"port\": 1}\n{}",
            Some(2),
            "is not JSON: trailing characters (line 2, column 1)",
        ),
        (
            b"{\"port\": 1,}",
            Some(1),
            "is not JSON: trailing comma (line 1, column 12)",
        ),
        (
            b"\xef\xbb\xbf{}",
            Some(1),
            "begins with a byte order mark (line 1, column 1), save it as UTF-8 without one",
        ),
        (
            b"{\n\"a\": \"\xff\"}",
            Some(2),
            "is not UTF-8 (line 2, column 7)",
        ),
        (
            deep.as_bytes(),
            Some(1),
            "is not a JSON object (line 1, column 1)",
        ),
        (&big, None, "is larger than 1048576 bytes"),
    ];
    for (bytes, line, reason) in cases {
        let (loaded, file) = load_bytes(&Settings::default(), bytes);
        let expected = Problem {
            option: None,
            source: file,
            line: *line,
            reason: (*reason).into(),
        };
        assert_eq!(loaded.errors, [expected]);
        assert_eq!(*loaded.config, defaults());
        assert!(!shown(&loaded).contains("hunter2"));
    }
}

#[test]
fn every_prefix_of_a_file_gives_the_defaults_and_an_error() {
    let whole = br#"{"username": "u", "port": "8443", "debug": 1}"#;
    for len in 0..whole.len() {
        let (loaded, _) = load_bytes(&Settings::default(), &whole[..len]);
        assert_eq!(loaded.errors.len(), 1, "{len}");
        assert_eq!(*loaded.config, defaults(), "{len}");
    }
    assert_eq!(load_bytes(&Settings::default(), whole).0.errors, []);
}

#[test]
fn a_missing_file_a_directory_and_a_fifo_are_errors_that_do_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (path, reason) in [
        (
            dir.path().join("missing"),
            "No such file or directory (os error 2)",
        ),
        (dir.path().to_owned(), "is not a regular file"),
        (fifo, "is not a regular file"),
    ] {
        let loaded = inputs(&Settings::default(), &path).load(None);
        let shown: Vec<_> = loaded.errors.iter().map(Problem::to_string).collect();
        assert_eq!(shown, [format!("{}: {reason}", path.display())]);
        assert_eq!(*loaded.config, defaults());
    }
}

#[test]
fn a_token_of_300_characters_works_and_one_of_5000_is_refused_unseen() {
    let token = "t".repeat(300);
    let loaded = load_json(&format!("{{\"token\": \"{token}\"}}"));
    assert_eq!(loaded.config.token.reveal(), token);
    assert_eq!(loaded.errors, []);

    let loaded = load_json(&format!("{{\"token\": \"{}\"}}", "hunter2".repeat(1000)));
    assert!(loaded.config.token.is_empty());
    assert_eq!(loaded.errors[0].reason, "is longer than 4096 bytes");
    assert!(!shown(&loaded).contains("hunter2"));
}
