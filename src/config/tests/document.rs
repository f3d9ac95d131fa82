//! Files that say nothing, and values at their bounds.

use super::*;

/// The reason given for a file that exists and says nothing.
fn lost(reason: &str) -> String {
    format!(
        "{reason}; until this is mended there is no link to the broker and no job but root's own runs"
    )
}

#[test]
fn a_file_that_says_nothing_names_file_line_and_column_and_closes_every_way() {
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
            reason: lost(reason),
        };
        assert_eq!(loaded.errors, [expected]);
        assert_held(&loaded, defaults(), &guards());
        assert!(!shown(&loaded).contains("hunter2"));
    }
}

#[test]
fn every_prefix_of_a_file_closes_every_way_with_an_error() {
    let whole = br#"{"username": "u", "port": "8443", "debug": 1}"#;
    for len in 0..whole.len() {
        let (loaded, _) = load_bytes(&Settings::default(), &whole[..len]);
        assert_eq!(loaded.errors.len(), 1, "{len}");
        assert_held(&loaded, defaults(), &guards());
    }
    assert_eq!(load_bytes(&Settings::default(), whole).0.errors, []);
}

#[test]
fn a_missing_file_a_directory_and_a_fifo_are_errors_that_do_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let missing = dir.path().join("missing");
    let absent = "No such file or directory (os error 2)".to_owned();
    let unusable = lost("is not a regular file");
    for (path, reason, held) in [
        (missing, absent, Vec::new()),
        (dir.path().to_owned(), unusable.clone(), guards()),
        (fifo, unusable, guards()),
    ] {
        let loaded = inputs(&Settings::default(), &path).load(None);
        let shown: Vec<_> = loaded.errors.iter().map(Problem::to_string).collect();
        assert_eq!(shown, [format!("{}: {reason}", path.display())]);
        assert_held(&loaded, defaults(), &held);
    }
}

#[test]
fn a_byte_order_mark_and_spaces_around_values_are_dropped() {
    let text = b"\xef\xbb\xbf{\n\"topic\": \" t \", \"tls\": \" 1 \", \"mac\": \"112233445566 \",\r\n \"qos\": 9}";
    let (loaded, file) = load_bytes(&Settings::default(), text);
    let config = &loaded.config;
    assert_eq!(
        (&*config.broker.topic, &*config.identity.mac),
        ("t", "112233445566")
    );
    assert!(config.broker.tls);
    let errors: Vec<_> = loaded.errors.iter().map(Problem::to_string).collect();
    assert_eq!(
        errors,
        [format!("{file}:3: option 'qos': 9 is out of range (0-2)")]
    );
    let (loaded, _) = load_bytes(&Settings::default(), b"\xef\xbb\xbf");
    assert!(loaded.errors[0].reason.starts_with("is empty"));
}

#[test]
fn a_token_of_300_characters_works_and_one_of_5000_is_refused_unseen() {
    let token = "t".repeat(300);
    let loaded = load_json(&format!("{{\"token\": \"{token}\"}}"));
    assert_eq!(loaded.config.api.token.reveal(), token);
    assert_eq!(loaded.errors, []);

    let loaded = load_json(&format!("{{\"token\": \"{}\"}}", "hunter2".repeat(1000)));
    assert!(loaded.config.api.token.is_empty());
    assert_eq!(loaded.errors[0].reason, "is longer than 4096 bytes");
    assert!(!shown(&loaded).contains("hunter2"));
}
