//! Payloads that are read as jobs, and refusals with their reasons.

use super::*;

fn ours() -> Identity {
    "aabbcc001122".parse().unwrap()
}

fn rejected(payload: &str) -> (Option<String>, String) {
    let Rejected { id, reason } = parse(payload.as_bytes()).expect_err(payload);
    (id, reason)
}

#[test]
fn a_whole_job_is_read() {
    let job = parse(
        br#"{"id":"op_1","timestamp":1,"expires":2,"device":"AA-bb:cc:00:11:22","sig":"c2ln",
             "meta":{"msg":"uptime","type":"network","timeout":5,"detach":true,"live":false,"x":[{"a":1}]}}"#,
    )
    .unwrap();
    assert_eq!(job.id, "op_1");
    assert_eq!(job.msg, "uptime");
    assert_eq!((job.kind, job.type_name.as_str()), (Kind::Shell, "network"));
    assert_eq!(job.timeout, Some(Duration::from_secs(5)));
    assert_eq!((job.detach, job.live), (true, false));
    assert_eq!(job.sig.as_deref(), Some("c2ln"));
    assert_eq!(job.device.as_deref(), Some("AA-bb:cc:00:11:22"));
    assert!(job.is_for(&ours()) && job.is_for(&"AA:BB:CC:00:11:22".parse().unwrap()));
    assert!(!job.is_for(&"aabbcc001123".parse().unwrap()));
    assert!(job.expired(2) && !job.expired(1));
}

#[test]
fn a_job_for_every_device_or_without_device_is_for_us() {
    for device in [r#""device":"*","#, ""] {
        let payload = format!(r#"{{"id":"a",{device}"meta":{{"msg":"true"}}}}"#);
        assert!(parse(payload.as_bytes()).unwrap().is_for(&ours()));
    }
}

#[test]
fn ping_needs_no_msg() {
    let job = parse(br#"{"id":"a","meta":{"type":"ping"}}"#).unwrap();
    assert_eq!(job.kind, Kind::Ping);
}

// Row 3: ids of 38 characters and more were cut.
#[test]
fn an_id_of_256_bytes_comes_back_unchanged_and_a_longer_one_is_rejected() {
    let id = "i".repeat(256);
    let payload = format!(r#"{{"id":"{id}","meta":{{"msg":"true"}}}}"#);
    assert_eq!(parse(payload.as_bytes()).unwrap().id, id);
    let long = format!("{id}i");
    let payload = payload.replace(&id, &long);
    assert_eq!(
        rejected(&payload),
        (Some(long), "id is longer than 256 bytes".to_string())
    );
}

// Row 4: such a job ran under a random id.
#[test]
fn a_job_without_a_proper_id_is_rejected() {
    for (id, reason) in [
        ("", "id is missing"),
        (r#""id":7,"#, "id is not a string"),
        (r#""id":null,"#, "id is not a string"),
        (r#""id":"","#, "id is empty"),
    ] {
        let (answered, why) = rejected(&format!(r#"{{{id}"meta":{{"msg":"true"}}}}"#));
        assert_eq!((answered, why.as_str()), (None, reason));
    }
    let (answered, why) = rejected(r#"{"id":"a\nb","meta":{"msg":"true"}}"#);
    assert_eq!(answered.as_deref(), Some("a\nb"));
    assert_eq!(why, "id has control characters");
}

// 60 jobs with a million colons before the MAC took 60 MB.
#[test]
fn a_device_of_more_than_64_bytes_is_rejected_and_what_a_job_holds_is_counted() {
    let job = |device: &str| {
        let job = format!(r#"{{"id":"a","device":"{device}","meta":{{"msg":"true","type":"x"}}}}"#);
        parse(job.as_bytes())
    };
    let longest = format!("{}aabbcc001122", ":".repeat(52));
    let taken = job(&longest).unwrap();
    assert!(taken.is_for(&ours()));
    assert_eq!(taken.held(), size_of::<Job>() + 1 + 64 + 4 + 1);
    let refused = job(&format!(":{longest}")).unwrap_err();
    assert_eq!(refused.id.as_deref(), Some("a"));
    assert_eq!(refused.reason, "device is longer than 64 bytes");
}

// Row 8: each of these ended the process.
#[test]
fn json_that_is_no_job_is_rejected() {
    for payload in ["[1,2]", "\"str\"", "123", "true"] {
        assert_eq!(
            rejected(payload),
            (None, "payload is not a JSON object".to_string())
        );
    }
    assert_eq!(
        rejected(r#"{"id":"a","meta":{"msg":null}}"#),
        (Some("a".into()), "meta.msg is not a string".into())
    );
    assert_eq!(
        rejected(r#"{"id":"a","meta":{"msg":"true","type":null}}"#),
        (Some("a".into()), "meta.type is not a string".into())
    );
}

#[test]
fn a_job_without_time_or_without_a_command_is_rejected() {
    for (meta, reason) in [
        (r#""msg":"""#, "meta.msg is empty"),
        (r#""msg":"","type":"cancel""#, "meta.msg is empty"),
        (r#""msg":"true","timeout":0"#, "meta.timeout is below 1 s"),
        (
            r#""msg":"true","timeout":-5"#,
            "meta.timeout is not a whole number from 0 on",
        ),
    ] {
        let (id, why) = rejected(&format!(r#"{{"id":"a","meta":{{{meta}}}}}"#));
        assert_eq!((id.as_deref(), why.as_str()), (Some("a"), reason));
    }
}

// Row 9: nobody learned about these.
#[test]
fn what_is_not_json_is_rejected_with_a_reason() {
    let deep = format!(r#"{{"id":"a","meta":{}"#, "[".repeat(100_000));
    let cases: [&[u8]; 9] = [
        b"{",
        b"text",
        b"",
        b"null",
        b"\xef\xbb\xbf{\"id\":\"a\",\"meta\":{\"msg\":\"true\"}}",
        deep.as_bytes(),
        b"\x00\x01\xff",
        b"\x00",
        b"{\"id\":\"\xff\xfe\",\"meta\":{\"msg\":\"true\"}}",
    ];
    for payload in cases {
        let error = parse(payload).unwrap_err();
        assert!(error.id.is_none() && !error.reason.is_empty());
    }
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(rejected(&nested).1.contains("not a JSON object"));
}

// Row 10: both were executed; the last key won.
#[test]
fn trailing_bytes_and_repeated_keys_are_rejected() {
    assert_eq!(
        rejected(r#"{"id":"a","meta":{"msg":"true"}} x"#),
        (
            Some("a".into()),
            "payload has bytes after the JSON object".into()
        )
    );
    assert_eq!(
        rejected(r#"{"id":"a","meta":{"msg":"true","msg":"false"}}"#),
        (Some("a".into()), "key 'msg' is repeated".into())
    );
    assert_eq!(
        rejected(r#"{"id":"a","id":"b","meta":{"msg":"true"}}"#),
        (None, "key 'id' is repeated".into())
    );
    assert_eq!(
        rejected(r#"{"id":"a","meta":{"msg":"true"},"x":[{"y":1,"y":2}]}"#),
        (Some("a".into()), "key 'y' is repeated".into())
    );
}

#[test]
fn a_job_with_very_many_unknown_keys_is_read_and_a_repeated_one_among_them_is_found() {
    let mut keys = String::new();
    for n in 0..100_000 {
        keys.push_str(&format!("\"{n:x}\":0,"));
    }
    let payload = format!(r#"{{{keys}"id":"a","meta":{{"msg":"true"}}}}"#);
    assert!(payload.len() <= PAYLOAD_MAX);
    assert_eq!(parse(payload.as_bytes()).unwrap().id, "a");
    let payload = format!(r#"{{{keys}"id":"a","5b8d":[],"meta":{{"msg":"true"}}}}"#);
    assert_eq!(
        rejected(&payload),
        (Some("a".into()), "key '5b8d' is repeated".into())
    );
}

#[test]
fn known_keys_have_their_meaning_in_their_place_only() {
    let job = parse(
        br#"{"x":{"id":"b","meta":{"msg":"no"}},"id":"a","msg":"no",
             "meta":{"meta":{"msg":"no"},"id":7,"msg":"yes"}}"#,
    )
    .unwrap();
    assert_eq!((job.id.as_str(), job.msg.as_str()), ("a", "yes"));
}

// Row 11: these ran as commands.
#[test]
fn a_msg_that_is_no_string_is_rejected() {
    for msg in ["7", "{}", "true", "[\"a\"]"] {
        let (id, reason) = rejected(&format!(r#"{{"id":"a","meta":{{"msg":{msg}}}}}"#));
        assert_eq!(id.as_deref(), Some("a"));
        assert_eq!(reason, "meta.msg is not a string");
    }
    assert_eq!(
        rejected(r#"{"id":"a","meta":{"type":"network"}}"#).1,
        "meta.msg is missing"
    );
    assert_eq!(
        rejected(r#"{"id":"a","meta":{"msg":"a\u0000b"}}"#).1,
        "meta.msg has a NUL character"
    );
}

#[test]
fn numbers_of_the_wrong_kind_are_rejected() {
    for (keys, name) in [
        (r#""expires":"9","meta":{"msg":"true"}"#, "expires"),
        (r#""expires":1.5,"meta":{"msg":"true"}"#, "expires"),
        (r#""timestamp":-1,"meta":{"msg":"true"}"#, "timestamp"),
        (r#""meta":{"msg":"true","timeout":"9"}"#, "meta.timeout"),
    ] {
        let (id, reason) = rejected(&format!(r#"{{"id":"a",{keys}}}"#));
        assert_eq!(id.as_deref(), Some("a"));
        assert_eq!(reason, format!("{name} is not a whole number from 0 on"));
    }
}

#[test]
fn signatures_and_flags_of_the_wrong_kind_are_rejected() {
    let long = format!(r#""sig":"{}","meta":{{"msg":"true"}}"#, "A".repeat(257));
    for (keys, reason) in [
        (r#""sig":7,"meta":{"msg":"true"}"#, "sig is not a string"),
        (r#""sig":null,"meta":{"msg":"true"}"#, "sig is not a string"),
        (&long, "sig is longer than 256 bytes"),
        (
            r#""meta":{"msg":"true","detach":1}"#,
            "meta.detach is neither true nor false",
        ),
        (
            r#""meta":{"msg":"true","detach":"true"}"#,
            "meta.detach is neither true nor false",
        ),
        (
            r#""meta":{"msg":"true","live":null}"#,
            "meta.live is neither true nor false",
        ),
    ] {
        let (id, why) = rejected(&format!(r#"{{"id":"a",{keys}}}"#));
        assert_eq!((id.as_deref(), why.as_str()), (Some("a"), reason));
    }
}

#[test]
fn a_number_has_one_spelling() {
    for number in ["1e3", "1.0", "-0", "01", "18446744073709551616"] {
        let payload = format!(r#"{{"id":"a","expires":{number},"meta":{{"msg":"true"}}}}"#);
        assert!(parse(payload.as_bytes()).is_err(), "{number}");
    }
}

// Row 13: a command of 9 MB ended the process.
#[test]
fn a_payload_over_one_mebibyte_is_rejected() {
    let payload = format!(
        r#"{{"id":"a","meta":{{"msg":"{}"}}}}"#,
        "x".repeat(9 * 1024 * 1024)
    );
    assert_eq!(rejected(&payload), (None, "payload is over 1 MiB".into()));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(payload: Vec<u8>) {
        let _ = parse(&payload);
    }

    #[test]
    fn no_damage_to_a_job_makes_the_reader_panic(at in 0usize..60, byte: u8) {
        let mut payload = br#"{"id":"a","timestamp":1,"meta":{"msg":"true","type":"x"}}"#.to_vec();
        let at = at % payload.len();
        payload[at] = byte;
        if let Ok(job) = parse(&payload) {
            assert!(check_id(&job.id).is_ok() && check_msg(job.kind, &job.msg).is_ok());
        }
    }
}
