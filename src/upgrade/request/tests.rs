use serde_json::{json, Value};

use super::*;

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn image() -> Value {
    json!({"url": "https://get.example/a.bin?token=x", "sha256": HASH, "size": 7,
        "board": "glinet,gl-mt300n-v2", "release": "24.10.2"})
}

fn package() -> Value {
    json!({"url": "https://get.example/socketman_0.2.0-r1.ipk", "sha256": HASH, "size": 7,
        "undo_url": "https://get.example/socketman_0.1.0-r1.ipk", "undo_sha256": HASH})
}

fn with(mut msg: Value, key: &str, value: Value) -> Result<Request, String> {
    let object = msg.as_object_mut().unwrap();
    match value {
        Value::Null => drop(object.remove(key)),
        value => drop(object.insert(key.to_owned(), value)),
    }
    Request::read(&msg.to_string(), false)
}

#[test]
fn an_image_and_a_package_are_told_apart_by_the_end_of_the_path() {
    let image = Request::read(&image().to_string(), false).unwrap();
    assert_eq!(image.format, Format::Image);
    assert!(matches!(
        image.what,
        What::Image {
            keep: true,
            has_agent: false,
            ..
        }
    ));
    let ipk = Request::read(&package().to_string(), false).unwrap();
    assert_eq!(ipk.format, Format::Ipk);
    assert!(matches!(
        ipk.what,
        What::Package {
            undo: Undo::Package(_),
            ..
        }
    ));
    for (url, format) in [
        ("https://x/a.apk?x=.ipk", Format::Apk),
        ("https://x/a.ipk/b", Format::Image),
        ("https://x/a?b=c.apk", Format::Image),
    ] {
        assert_eq!(Format::of(&Url::parse(url).unwrap()), format, "{url}");
    }
}

#[test]
fn an_error_names_the_key() {
    for (key, value, why) in [
        ("url", Value::Null, "url is missing"),
        ("url", json!(5), "url is not a string"),
        ("url", json!("ftp://x/a.bin"), "url is not an https URL"),
        ("url", json!("/etc/passwd"), "url is not an https URL"),
        (
            "url",
            json!("http://x/a.bin"),
            "url is http, and option insecure is not set",
        ),
        ("sha256", Value::Null, "sha256 is missing"),
        ("sha256", json!("abc"), "sha256 is not 64 hex digits"),
        (
            "sha256",
            json!("é".repeat(32)),
            "sha256 is not 64 hex digits",
        ),
        ("size", Value::Null, "size is missing"),
        ("size", json!(0), "size is 0 or over 1 GiB"),
        ("size", json!(-1), "size is not a whole number from 0 on"),
        ("size", json!(u64::MAX), "size is 0 or over 1 GiB"),
        ("board", Value::Null, "board is missing"),
        (
            "board",
            json!("a\nb"),
            "board is longer than 128 bytes or has control characters",
        ),
        ("release", Value::Null, "release is missing"),
        ("keep", json!("no"), "keep is neither true nor false"),
        ("has_agent", json!(1), "has_agent is neither true nor false"),
        (
            "window",
            json!("2-4"),
            "window is not of the form 02:00-04:00",
        ),
        ("no_undo", json!([]), "no_undo is neither true nor false"),
    ] {
        assert_eq!(
            with(image(), key, value.clone()).unwrap_err(),
            why,
            "{key}: {value}"
        );
    }
    let error = with(package(), "undo_sha256", Value::Null).unwrap_err();
    assert_eq!(error, "undo_sha256 is missing");
    let error = with(package(), "undo_url", json!("https://x/a.apk")).unwrap_err();
    assert_eq!(error, "undo_url is of another format than url");
    let error = with(package(), "undo_url", Value::Null).unwrap_err();
    assert!(error.starts_with("undo_url is missing"), "{error}");
}

#[test]
fn a_missing_undo_has_to_be_waived() {
    let mut msg = package();
    msg.as_object_mut().unwrap().remove("undo_url");
    msg.as_object_mut().unwrap().remove("undo_sha256");
    let waived = with(msg, "no_undo", json!(true)).unwrap();
    assert!(matches!(
        waived.what,
        What::Package {
            undo: Undo::Waived,
            ..
        }
    ));
}

#[test]
fn a_host_beyond_ascii_is_refused_however_it_is_written() {
    for host in [
        "BÜCHER.example",
        "bücher.example",
        "b%C3%BCcher.example",
        "user@BÜCHER",
    ] {
        let url = format!("https://{host}/a.bin");
        let error = with(image(), "url", json!(url)).unwrap_err();
        assert_eq!(error, "url is not an https URL", "{host}");
    }
    let url = json!("https://GET.example/Ü.bin");
    let request = with(image(), "url", url).unwrap();
    assert_eq!(
        request.source.url.as_str(),
        "https://get.example/%C3%9C.bin"
    );
}

#[test]
fn hostile_text_is_refused() {
    for (text, why) in [
        ("", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{} {}", "bytes after the JSON object"),
        (
            r#"{"url": "https://a/b", "url": "https://c/d"}"#,
            "key 'url' is repeated",
        ),
        (r#"{"x": {"y": 1, "y": 2}}"#, "key 'y' is repeated"),
    ] {
        let error = Request::read(text, false).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    let deep = format!("{{\"x\": {}", "[".repeat(10_000));
    assert!(Request::read(&deep, false).is_err());
    let long = format!("{{\"x\": \"{}\"}}", "x".repeat(MSG_MAX));
    assert_eq!(
        Request::read(&long, false).unwrap_err(),
        "msg is over 16 KiB"
    );
    assert!(with(image(), "other", json!({"a": [1]})).is_ok());
}

#[test]
fn with_insecure_http_is_enough() {
    let mut msg = image();
    msg["url"] = json!("http://192.168.1.10/a.bin");
    assert!(Request::read(&msg.to_string(), false).is_err());
    assert!(Request::read(&msg.to_string(), true).is_ok());
}

#[test]
fn secrets_of_a_url_are_not_shown() {
    let image = Request::read(&image().to_string(), false).unwrap();
    assert!(!format!("{image:?}").contains("token"));
}
