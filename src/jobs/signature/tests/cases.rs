//! Single jobs, good and bad.

use super::*;

#[test]
fn a_job_signed_with_one_of_the_keys_runs() {
    let (one, other) = (Operator::new(1), Operator::new(2));
    let both = [one.public(), other.public()];
    for operator in [&one, &other] {
        let job = operator.signed(order());
        assert_eq!(judged(&Keys::Set(&both), &job), Ok(()));
        assert_eq!(judged(&Keys::Unset, &job), Ok(()));
    }
}

#[test]
fn every_type_needs_a_signature() {
    let operator = Operator::new(1);
    let keys = [operator.public()];
    for kind in ["", "network", "ping", "cancel", "reboot"] {
        let mut job = order();
        job["meta"]["type"] = json!(kind);
        assert_eq!(
            judged(&Keys::Set(&keys), &read(&job)),
            Err(Refusal::Unsigned)
        );
        assert_eq!(judged(&Keys::Set(&keys), &operator.signed(job)), Ok(()));
    }
}

#[test]
fn a_change_of_any_field_breaks_the_signature() {
    let operator = Operator::new(1);
    let keys = [operator.public()];
    let sig = operator.sign(&read(&order()));
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 15] = [
        ("id", |job| job["id"] = json!("job-18")),
        ("id", |job| job["id"] = json!("job-1")),
        ("device", |job| job["device"] = json!("*")),
        ("device", |job| job["device"] = json!(MAC.to_uppercase())),
        ("device", |job| {
            job.as_object_mut().unwrap().remove("device");
        }),
        ("timestamp", |job| job["timestamp"] = json!(NOW - 6)),
        ("expires", |job| job["expires"] = json!(NOW + 61)),
        ("msg", |job| job["meta"]["msg"] = json!("uptime ")),
        ("msg", |job| job["meta"]["msg"] = json!("Uptime")),
        ("type", |job| job["meta"]["type"] = json!("")),
        ("type", |job| job["meta"]["type"] = json!("ping")),
        ("timeout", |job| job["meta"]["timeout"] = json!(61)),
        ("timeout", |job| {
            job["meta"].as_object_mut().unwrap().remove("timeout");
        }),
        ("detach", |job| job["meta"]["detach"] = json!(false)),
        ("lengths", |job| {
            // The same bytes, with the border between two fields elsewhere.
            job["meta"]["type"] = json!("x\n2:60\n1:1\n6:uptime");
        }),
    ];
    for (field, change) in changes {
        let mut job = order();
        job["sig"] = json!(sig);
        assert_eq!(judged(&Keys::Set(&keys), &read(&job)), Ok(()));
        change(&mut job);
        let refused = judged(&Keys::Set(&keys), &read(&job)).unwrap_err();
        let expected = match field {
            "lengths" => Refusal::Text(TextError::Control("type")),
            _ => Refusal::WrongSignature,
        };
        assert_eq!(refused, expected, "{field}");
    }
}

#[test]
fn live_and_unknown_keys_are_not_signed() {
    let operator = Operator::new(1);
    let keys = [operator.public()];
    let mut job = order();
    job["sig"] = json!(operator.sign(&read(&order())));
    job["meta"]["live"] = json!(true);
    job["x"] = json!([1]);
    assert_eq!(judged(&Keys::Set(&keys), &read(&job)), Ok(()));
}

#[test]
fn a_signature_by_another_key_or_none_is_refused() {
    let (one, other) = (Operator::new(1), Operator::new(2));
    let keys = [one.public()];
    let job = other.signed(order());
    assert_eq!(
        judged(&Keys::Set(&keys), &job),
        Err(Refusal::WrongSignature)
    );
    for sig in ["", "x", "AAAA"] {
        let mut job = order();
        job["sig"] = json!(sig);
        let refused = judged(&Keys::Set(&keys), &read(&job));
        assert_eq!(refused, Err(Refusal::NoSignature), "{sig}");
    }
}

#[test]
fn no_job_runs_while_the_keys_are_unusable() {
    let operator = Operator::new(1);
    let keys = Keys::Unusable("the reason".into());
    for job in [operator.signed(order()), read(&order())] {
        let refused = judged(&keys, &job).unwrap_err();
        assert_eq!(refused.to_string(), "the reason");
    }
}

#[test]
fn a_job_for_another_device_is_refused_before_its_signature_is_looked_at() {
    let operator = Operator::new(1);
    let keys = [operator.public()];
    let mut job = order();
    job["device"] = json!("94:83:c4:a1:b2:01");
    for job in [operator.signed(job.clone()), read(&job)] {
        for keys in [Keys::Set(&keys), Keys::Unset, Keys::Unusable("x".into())] {
            assert_eq!(judged(&keys, &job), Err(Refusal::OtherDevice));
        }
    }
}

#[test]
fn the_device_may_be_spelt_in_any_way_that_was_signed() {
    let operator = Operator::new(1);
    let keys = [operator.public()];
    for device in [
        "*",
        "9483c4a1b200",
        "94-83-C4-A1-B2-00",
        "94:83:C4:a1:b2:00",
    ] {
        let mut job = order();
        job["device"] = json!(device);
        let judged = judged(&Keys::Set(&keys), &operator.signed(job));
        assert_eq!(judged, Ok(()), "{device}");
    }
    let mut job = order();
    job.as_object_mut().unwrap().remove("device");
    assert_eq!(judged(&Keys::Set(&keys), &operator.signed(job)), Ok(()));
}

#[test]
fn a_signed_job_ends_within_7_days_of_its_timestamp() {
    let operator = Operator::new(1);
    let keys = [operator.public()];
    let with = |timestamp: Value, expires: Value| {
        let mut job = order();
        for (key, value) in [("timestamp", timestamp), ("expires", expires)] {
            match value {
                Value::Null => job.as_object_mut().unwrap().remove(key),
                value => job.as_object_mut().unwrap().insert(key.into(), value),
            };
        }
        judged(&Keys::Set(&keys), &operator.signed(job))
    };
    let missing = |name| Err(Refusal::Missing(name));
    assert_eq!(with(json!(NOW - 5), json!(NOW - 5 + 7 * 24 * 3600)), Ok(()));
    assert_eq!(
        with(json!(NOW - 5), json!(NOW - 4 + 7 * 24 * 3600)),
        Err(Refusal::LivesTooLong)
    );
    assert_eq!(
        with(json!(NOW), json!(u64::MAX)),
        Err(Refusal::LivesTooLong)
    );
    assert_eq!(
        with(json!(NOW + 9), json!(NOW + 8)),
        Err(Refusal::Backwards)
    );
    assert_eq!(with(json!(NOW), Value::Null), missing("expires"));
    assert_eq!(with(Value::Null, json!(NOW + 1)), missing("timestamp"));
    assert_eq!(with(json!(NOW - 5), json!(NOW)), Err(Refusal::Expired));
    assert_eq!(with(json!(NOW - 5), json!(NOW + 1)), Ok(()));
}

#[test]
fn unsigned_jobs_need_no_end_where_no_key_is_set() {
    let mut job = order();
    job["expires"] = json!(u64::MAX);
    assert_eq!(judged(&Keys::Unset, &read(&job)), Ok(()));
    job["expires"] = json!(NOW);
    assert_eq!(judged(&Keys::Unset, &read(&job)), Err(Refusal::Expired));
    job.as_object_mut().unwrap().remove("expires");
    assert_eq!(judged(&Keys::Unset, &read(&job)), Ok(()));
}

#[test]
fn the_end_comes_by_the_floor_whatever_the_clock_says() {
    let operator = Operator::new(1);
    let (keys, identity) = ([operator.public()], MAC.parse().unwrap());
    let job = operator.signed(order());
    let judged = |floor: &Floor, reading| {
        let judge = Judge::new(Keys::Set(&keys), &identity);
        // The signature does not depend on the time, so that a known id is answered even late.
        assert_eq!(judge.admit(&job), Ok(()));
        check_time(&job, floor.now(reading))
    };
    let years = 10 * 365 * 24 * 3600;
    let unsynced = |epoch| Reading {
        synced: false,
        ..synced(epoch)
    };
    let (before, after) = (Floor::new(NOW, 0), Floor::new(NOW + 60, 0));
    for epoch in [0, NOW - years, NOW, NOW + years, u64::MAX] {
        assert_eq!(judged(&before, unsynced(epoch)), Ok(()));
        assert_eq!(judged(&after, unsynced(epoch)), Err(Refusal::Expired));
        assert_eq!(judged(&after, synced(epoch)), Err(Refusal::Expired));
    }
    assert_eq!(judged(&before, synced(NOW - years)), Ok(()));
    assert_eq!(judged(&before, synced(NOW + years)), Err(Refusal::Expired));
}

#[test]
fn the_program_knows_when_it_was_made() {
    // Since 2025.
    let past = 1_735_689_600..=crate::process::clock::epoch_seconds();
    assert!(past.contains(&BUILT), "{BUILT}");
}
