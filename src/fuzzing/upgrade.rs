//! Upgrades: the `msg` of their jobs.

use serde_json::{json, Value};

use super::data;
use crate::upgrade::request::{to_hex, Format, Request, Source, Undo, What};

/// Longest URL and longest `msg`, bytes: what is written may be longer than what was read.
const URL_MAX: usize = 4096;
const MSG_MAX: usize = 16 << 10;

pub(super) fn seeds() -> Vec<Vec<u8>> {
    data::contents("upgrade-requests", ".json")
}

pub(super) fn run(input: &[u8]) {
    let Ok(msg) = std::str::from_utf8(input) else {
        return;
    };
    let insecure = match Request::read(msg, true) {
        Ok(request) => request,
        Err(why) => {
            assert!(!why.is_empty() && why.len() <= 1024, "{why}");
            assert!(
                Request::read(msg, false).is_err(),
                "http is all that insecure allows"
            );
            return;
        }
    };
    check(&insecure);
    match Request::read(msg, false) {
        Ok(request) => {
            assert_eq!(request, insecure);
            assert!(sources(&request).all(|source| source.url.scheme() == "https"));
        }
        Err(why) => assert!(why.ends_with("is http, and option insecure is not set")),
    }
    let mut written = write(&insecure);
    if insecure.window.is_some() {
        let read: Value = serde_json::from_str(msg).expect("it was read");
        assert_eq!(
            read["window"].as_str().map(str::len),
            Some("23:30-04:00".len())
        );
        written["window"] = read["window"].clone();
    }
    let text = written.to_string();
    if text.len() <= MSG_MAX
        && sources(&insecure).all(|source| source.url.as_str().len() <= URL_MAX)
    {
        let again = Request::read(&text, true);
        assert_eq!(again.as_ref(), Ok(&insecure), "what is written reads back");
    }
}

fn sources(request: &Request) -> impl Iterator<Item = &Source> {
    let undo = match &request.what {
        What::Package {
            undo: Undo::Package(source),
            ..
        } => Some(source),
        _ => None,
    };
    [&request.source].into_iter().chain(undo)
}

fn check(request: &Request) {
    assert!(request
        .source
        .size
        .is_some_and(|size| (1..=1 << 30).contains(&size)));
    for source in sources(request) {
        assert!(source.url.has_host() && matches!(source.url.scheme(), "http" | "https"));
    }
    let is_image = matches!(request.what, What::Image { .. });
    assert_eq!(is_image, request.format == Format::Image);
    let (board, release) = match &request.what {
        What::Image { board, release, .. } => (Some(board), Some(release)),
        What::Package { board, release, .. } => (board.as_ref(), release.as_ref()),
    };
    for name in [board, release].into_iter().flatten() {
        assert!((1..=128).contains(&name.len()) && !name.contains(char::is_control));
    }
}

/// All of it but the window.
fn write(request: &Request) -> Value {
    let Source { url, sha256, size } = &request.source;
    let mut msg = json!({ "url": url.as_str(), "sha256": to_hex(sha256), "size": size });
    let (board, release) = match &request.what {
        What::Image {
            board,
            release,
            keep,
            has_agent,
        } => {
            msg["keep"] = (*keep).into();
            msg["has_agent"] = (*has_agent).into();
            (Some(board), Some(release))
        }
        What::Package {
            board,
            release,
            undo,
        } => {
            match undo {
                Undo::Waived => msg["no_undo"] = true.into(),
                Undo::Package(Source { url, sha256, .. }) => {
                    msg["undo_url"] = url.as_str().into();
                    msg["undo_sha256"] = to_hex(sha256).into();
                }
            }
            (board.as_ref(), release.as_ref())
        }
    };
    for (key, text) in [("board", board), ("release", release)] {
        if let Some(text) = text {
            msg[key] = text.as_str().into();
        }
    }
    msg
}
