//! The router's sysupgrade and package managers do what those of OpenWrt do, as far as a caller sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use socketman_lab::agent_binary;
use socketman_lab::firmware::{Agent, Image, Manager, Package, Release, System, AGENT, ROM_AGENT};
use socketman_lab::lab::{Cut, Lab};
use socketman_lab::options::Options;
use tokio::process::Command;
use tokio::time::timeout;

use super::{DEADLINE, SCALE};

/// A router without an agent that runs.
struct Router {
    lab: Lab,
    root: PathBuf,
}

impl Router {
    async fn new(manager: Manager) -> Self {
        let binary = agent_binary::find().await.unwrap();
        let lab = Lab::start(&Options::default(), binary, SCALE).await;
        let mut lab = lab.unwrap();
        lab.install(manager).unwrap();
        let root = lab.place().root();
        Router { lab, root }
    }

    /// Runs a program of the router; its exit code and what it said.
    async fn run(&mut self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(self.root.join(words[0]));
        let output = command.args(&words[1..]).kill_on_drop(true).output();
        let output = timeout(DEADLINE, self.lab.during(output)).await;
        let output: Output = output.unwrap().unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        (output.status.code(), said)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.root.join("tmp").join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn image(&self) -> Image {
        Image::for_board(&self.lab.board().unwrap())
    }

    fn write(&self, image: &Image) -> String {
        self.file("image", &image.bytes(10_000).unwrap())
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn installed(&self) -> Option<String> {
        self.lab.system().unwrap().installed()
    }
}

fn system(lab: &Lab) -> System {
    lab.system().unwrap().clone()
}

#[tokio::test]
async fn the_test_of_an_image_changes_nothing_and_refuses_what_does_not_fit() {
    let mut router = Router::new(Manager::Opkg).await;
    let good = router.write(&router.image());
    assert_eq!(
        router.run(&["sbin/sysupgrade", "-T", &good]).await.0,
        Some(0)
    );
    let other = router.write(&Image::for_board("acme,ap1"));
    let (code, said) = router.run(&["sbin/sysupgrade", "-T", "-q", &other]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("Device glinet,gl-mt3000 not supported by this image"),
        "{said}"
    );
    assert!(said.contains("Image check failed"), "{said}");
    let html = router.file("page", b"<html>");
    let (code, said) = router.run(&["sbin/sysupgrade", "-T", &html]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("Invalid image type"), "{said}");
    assert_eq!(
        router.run(&["sbin/sysupgrade", "-T", "/nowhere"]).await.0,
        Some(1)
    );
    assert_eq!(
        router.run(&["sbin/sysupgrade", "-x", &good]).await.0,
        Some(1)
    );
    assert_eq!(router.run(&["sbin/sysupgrade"]).await.0, Some(1));
    assert_eq!(router.lab.release().unwrap(), Release::first().revision);
    assert_eq!(router.lab.steps.count("sysupgrade begin"), 0);
}

#[tokio::test]
async fn an_image_takes_everything_but_the_settings_and_those_only_if_they_are_kept() {
    let mut router = Router::new(Manager::Opkg).await;
    let keep = router.root.join("etc/socketman/state/keep");
    fs::create_dir_all(&keep).unwrap();
    fs::write(keep.join("identity"), "kept").unwrap();
    fs::write(router.root.join("etc/socketman/state/jobs"), "lost").unwrap();
    fs::write(router.root.join("etc/config/mine"), "config mine\n").unwrap();
    fs::write(router.root.join("usr/sbin/mine"), "lost").unwrap();
    let boot = router.lab.router.facts().boot_id;
    let image = router.write(&router.image());
    // Init has taken the bus away before the call would be answered.
    assert_ne!(
        router.run(&["sbin/sysupgrade", "-q", &image]).await.0,
        Some(0)
    );
    assert_eq!(router.lab.release().unwrap(), Release::next().revision);
    assert_ne!(router.lab.router.facts().boot_id, boot);
    for path in [
        "etc/config/mine",
        "etc/socketman/config.json",
        AGENT,
        ROM_AGENT,
    ] {
        assert!(router.has(path), "{path}");
    }
    assert!(router.has("etc/socketman/state/keep/identity"));
    for path in ["etc/socketman/state/jobs", "usr/sbin/mine", "tmp/image"] {
        assert!(!router.has(path), "{path}");
    }

    let mut bare = router.image();
    bare.agent = false;
    let image = router.write(&bare);
    router.run(&["sbin/sysupgrade", "-n", &image]).await;
    for path in [
        "etc/config/mine",
        "etc/socketman/config.json",
        AGENT,
        ROM_AGENT,
    ] {
        assert!(!router.has(path), "{path}");
    }
    assert_eq!(router.installed(), None);
    assert!(router.lab.start_agent().is_err() || !router.has(AGENT));
}

#[tokio::test]
async fn a_power_cut_while_an_image_is_written_leaves_the_old_system_or_none() {
    let mut router = Router::new(Manager::Opkg).await;
    let image = router.write(&router.image());
    router.lab.cut_while_flashing(Cut::KeepsTheOld);
    router.run(&["sbin/sysupgrade", &image]).await;
    assert_eq!(router.lab.release().unwrap(), Release::first().revision);
    let image = router.write(&router.image());
    let boot = router.lab.router.facts().boot_id;
    router.lab.cut_while_flashing(Cut::EndsTheDevice);
    router.run(&["sbin/sysupgrade", &image]).await;
    assert_eq!(router.lab.router.facts().boot_id, boot);
    assert!(router.lab.agent().is_none());
}

#[tokio::test]
async fn opkg_installs_the_next_version_and_an_older_one_only_if_it_is_forced() {
    let mut router = Router::new(Manager::Opkg).await;
    let first = system(&router.lab).version().clone();
    let next = first.later(router.lab.place().path()).unwrap();
    let old = Package::of(first);
    let new = Package::of(next).with(Agent::Exits);
    let (before, after) = (Some(old.number()), Some(new.number()));
    let old = router.file("old.ipk", &old.ipk().unwrap());
    let other = Package {
        arch: "mips_24kc".to_owned(),
        ..new.clone()
    };
    let other = router.file("other.ipk", &other.ipk().unwrap());
    let new = router.file("new.ipk", &new.ipk().unwrap());
    let (code, said) = router.run(&["bin/opkg", "install", &other]).await;
    assert_eq!(code, Some(255));
    assert!(
        said.contains("incompatible with the architectures"),
        "{said}"
    );
    assert_eq!(router.installed(), before);

    let (code, said) = router.run(&["bin/opkg", "install", &new]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(router.installed(), after);
    let steps = ["opkg begin", "opkg unpack", "opkg configure", "opkg end"];
    assert_eq!(router.lab.steps.taken(), steps);
    let program = fs::read_to_string(router.root.join(AGENT)).unwrap();
    assert!(program.starts_with("#!/bin/sh"), "{program}");

    // It says that it did nothing, and that this is fine.
    let (code, said) = router.run(&["bin/opkg", "install", &old]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("Not downgrading package socketman"), "{said}");
    let (code, said) = router.run(&["bin/opkg", "install", &new]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("is up to date"), "{said}");
    assert_eq!(router.lab.steps.taken(), steps);
    let forced = ["bin/opkg", "install", "--force-downgrade", &old];
    assert_eq!(router.run(&forced).await.0, Some(0));
    assert_eq!(router.installed(), before);
    assert!(fs::metadata(router.root.join(AGENT)).unwrap().len() > 1000);
    let page = router.file("page.ipk", b"<html>");
    assert_eq!(
        router.run(&["bin/opkg", "install", &page]).await.0,
        Some(255)
    );
}

#[tokio::test]
async fn apk_wants_to_be_told_that_a_file_may_be_untrusted() {
    let mut router = Router::new(Manager::Apk).await;
    let first = system(&router.lab).version().clone();
    let next = first.later(router.lab.place().path()).unwrap();
    let (old, new) = (Package::of(first), Package::of(next));
    let (before, after) = (Some(old.number()), Some(new.number()));
    let old = router.file("old.apk", &old.apk().unwrap());
    let new = router.file("new.apk", &new.apk().unwrap());
    let (code, said) = router.run(&["usr/bin/apk", "add", &new]).await;
    assert_eq!(code, Some(99));
    assert!(said.contains("UNTRUSTED signature"), "{said}");
    assert_eq!(router.installed(), before);
    let trusted = ["usr/bin/apk", "add", "--allow-untrusted", &new];
    assert_eq!(router.run(&trusted).await.0, Some(0));
    assert_eq!(router.installed(), after);
    let back = ["usr/bin/apk", "add", "--allow-untrusted", &old];
    assert_eq!(router.run(&back).await.0, Some(0));
    assert_eq!(router.installed(), before);
    assert!(Path::new(&router.root.join(AGENT)).exists());
}
