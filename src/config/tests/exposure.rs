//! Settings that work and that an operator is warned of, and directories that overlap.

use super::*;

fn warned(json: &str) -> Vec<String> {
    let loaded = load_json(json);
    assert_eq!(loaded.errors, [], "{json}");
    let warnings = loaded.warnings.iter();
    warnings
        .map(|warning| format!("{}: {}", warning.option.as_deref().unwrap(), warning.reason))
        .collect()
}

#[test]
fn a_token_or_a_password_that_crosses_a_network_in_clear_is_a_warning() {
    let token = "is http: anyone on the way can read the token; use https";
    let login = "is http: anyone on the way can read the password in it; use https";
    let password = "goes to the broker without TLS: anyone on the way can read it; set tls";
    for (json, warnings) in [
        (r#"{"token": "x", "api_url": "https://a.example"}"#, vec![]),
        (
            r#"{"token": "x", "api_url": "http://127.0.0.1:8080/"}"#,
            vec![],
        ),
        (r#"{"token": "x", "api_url": "http://localhost/"}"#, vec![]),
        (r#"{"stats_url": "http://a.example"}"#, vec![]),
        (
            r#"{"token": "x", "api_url": "http://a.example", "stats_url": "http:/b.example", "backup_url": "HTTP://c.example"}"#,
            vec![
                format!("api_url: {token}"),
                format!("stats_url: {token}"),
                format!("backup_stats_url: {token}"),
            ],
        ),
        (
            r#"{"stats_url": "http://u:hunter2@a.example"}"#,
            vec![format!("stats_url: {login}")],
        ),
        (r#"{"mqtt_host": "a.example", "username": "u"}"#, vec![]),
        (r#"{"password": "p"}"#, vec![]),
        (r#"{"mqtt_host": "::1", "password": "p"}"#, vec![]),
        (
            r#"{"mqtt_host": "a.example", "password": "p", "tls": 1}"#,
            vec![],
        ),
        (
            r#"{"mqtt_host": "a.example", "password": "p", "disable_mqtt": 1}"#,
            vec![],
        ),
        (
            r#"{"mqtt_host": "a.example", "password": "p"}"#,
            vec![format!("password: {password}")],
        ),
    ] {
        assert_eq!(warned(json), warnings, "{json}");
    }
}

#[test]
fn a_space_or_a_dot_in_a_topic_is_a_warning_that_shows_no_key() {
    let said = "holds a space or a dot, which some brokers (NATS) refuse";
    let json = |topic: &str, key: &str| {
        serde_json::json!({ "mqtt_host": "a.example", "topic": topic, "key": key }).to_string()
    };
    assert_eq!(warned(&json("a/b", "c-d_e")), Vec::<String>::new());
    assert_eq!(warned(&json("a b", "c")), [format!("topic: {said}")]);
    assert_eq!(warned(&json("a", "c.hunter2")), [format!("key: {said}")]);
}

#[test]
fn directories_that_overlap_are_errors_and_come_apart() {
    let spool = "/var/run/socketman/spool";
    let state = "/etc/socketman/state";
    for (values, refused, used) in [
        // Apart already.
        (
            ["/tmp/a", "/tmp/ab", "/tmp/b"],
            vec![],
            ["/tmp/a", "/tmp/ab", "/tmp/b"],
        ),
        (
            ["/x", "/x", "/x"],
            vec!["archive_dir", "spool_dir"],
            [spool, "", "/x"],
        ),
        (["/a", "/x/y", "/x"], vec!["archive_dir"], ["/a", "", "/x"]),
        (["/a", "/a/b", "/x"], vec!["archive_dir"], ["/a", "", "/x"]),
        (
            ["/a/b", "/a", "/x"],
            vec!["archive_dir"],
            ["/a/b", "", "/x"],
        ),
        (
            ["/x/spool", "", "/x/"],
            vec!["spool_dir"],
            [spool, "", "/x"],
        ),
        (
            ["/a//b/.", "", "/a/./b"],
            vec!["spool_dir"],
            [spool, "", "/a/b"],
        ),
        (
            [spool, "", "/var/run/socketman"],
            vec!["state_dir"],
            [spool, "", state],
        ),
        (["/a", "", "/var/run"], vec!["state_dir"], ["/a", "", state]),
        (
            ["/a", "/etc", "/var"],
            vec!["state_dir", "archive_dir"],
            ["/a", "", state],
        ),
    ] {
        let [spool_dir, archive_dir, state_dir] = values;
        let json = serde_json::json!({
            "spool_dir": spool_dir, "archive_dir": archive_dir, "state_dir": state_dir,
        });
        let loaded = load_json(&json.to_string());
        let found: Vec<_> = loaded
            .errors
            .iter()
            .map(|e| e.option.clone().unwrap())
            .collect();
        assert_eq!(found, refused, "{json}");
        let config = &loaded.config;
        let root = Path::new("/root-of-test");
        let path = |path: &str| under(root, Path::new(path));
        let mut left: Vec<_> = refused
            .iter()
            .filter_map(|name| match *name {
                "archive_dir" => Some(path(archive_dir)),
                "spool_dir" => Some(path(spool_dir)),
                _ => None,
            })
            .collect();
        left.dedup();
        assert_eq!(config.spool.left_dirs, left, "{json}");
        let archive = Some(path(used[1])).filter(|_| !used[1].is_empty());
        assert_eq!(config.spool.dir, path(used[0]), "{json}");
        assert_eq!(config.spool.archive_dir, archive, "{json}");
        assert_eq!(config.state_dir, path(used[2]), "{json}");
    }
}

#[test]
fn directories_that_are_one_by_a_link_overlap_too() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("tmp")).unwrap();
    std::os::unix::fs::symlink("tmp", root.path().join("var")).unwrap();
    let file = root.path().join("config.json");
    write_private(&file, r#"{"spool_dir": "/var/x/y", "state_dir": "/tmp/x"}"#);
    let mut inputs = inputs(&Settings::default(), &file);
    inputs.root = root.path().to_owned();
    let loaded = inputs.load(None);
    assert_eq!(loaded.errors.len(), 1);
    assert_eq!(loaded.errors[0].option.as_deref(), Some("spool_dir"));
}
