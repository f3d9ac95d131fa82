//! Files that the browser loads: the app as it lies in this checkout, so that an edit shows with the next
//! load, and the stand-in that is built in.

use std::io;
use std::path::{Component, Path, PathBuf};

/// A file for the browser.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) kind: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// The app in this checkout.
pub(super) fn app() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../luci-app-socketman")
}

/// The app's nodes of LuCI's menu.
pub(super) fn menu() -> io::Result<String> {
    std::fs::read_to_string(app().join("root/usr/share/luci/menu.d/luci-app-socketman.json"))
}

/// The file at a path of the page; `None` if it does not exist.
pub(super) fn read(path: &str) -> io::Result<Option<Page>> {
    let built_in = match path {
        "/" => Some(("index.html", include_str!("page/index.html"))),
        "/lab/luci.js" => Some(("luci.js", include_str!("page/luci.js"))),
        "/lab/form.js" => Some(("form.js", include_str!("page/form.js"))),
        "/lab/theme.css" => Some(("theme.css", include_str!("page/theme.css"))),
        _ => None,
    };
    if let Some((name, text)) = built_in {
        return Ok(page(name, text.into()));
    }
    let Some(file) = path.strip_prefix("/luci-static/") else {
        return Ok(None);
    };
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(file).components().all(inside) {
        return Ok(None);
    }
    match std::fs::read(app().join("htdocs/luci-static").join(file)) {
        Ok(bytes) => Ok(page(file, bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn page(name: &str, bytes: Vec<u8>) -> Option<Page> {
    let kind = match Path::new(name).extension()?.to_str()? {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        _ => return None,
    };
    Some(Page { kind, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_served_and_nothing_outside_of_it() {
        for path in ["/", "/lab/luci.js"] {
            assert!(read(path).unwrap().is_some(), "{path}");
        }
        let view = "/luci-static/resources/view/socketman/overview.js";
        assert!(read(view)
            .unwrap()
            .unwrap()
            .kind
            .starts_with("text/javascript"));
        for path in [
            "/luci-static/../../../Cargo.toml",
            "/luci-static//etc/passwd",
            "/luci-static/resources/nothing.js",
            "/luci-static/resources/socketman",
            "/etc/passwd",
        ] {
            assert!(!matches!(read(path), Ok(Some(_))), "{path}");
        }
    }
}
