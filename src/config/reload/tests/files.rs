//! Changes of files that are noticed, and those that are not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{symlink, PermissionsExt};

use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn every_way_to_put_other_content_behind_a_name_is_noticed() {
    let device = Device::new();
    let file = device.path("etc/config/socketman");
    let aside = device.path("etc/config/.socketman.uci-1");
    let mut watch = FileWatch::default();
    let steps: &[(&str, &dyn Fn())] = &[
        ("made", &|| fs::write(&file, "a").unwrap()),
        ("written", &|| fs::write(&file, "b").unwrap()),
        ("given a mode", &|| {
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap()
        }),
        ("replaced", &|| {
            fs::write(&aside, "c").unwrap();
            fs::rename(&aside, &file).unwrap();
        }),
        ("moved away", &|| fs::rename(&file, &aside).unwrap()),
        ("linked", &|| symlink(&aside, &file).unwrap()),
        ("its target written", &|| fs::write(&aside, "d").unwrap()),
        ("removed", &|| fs::remove_file(&file).unwrap()),
    ];
    for (what, step) in steps {
        watch.look_at(std::slice::from_ref(&file));
        step();
        let noticed = timeout(LONG, watch.changed()).await;
        assert!(noticed.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn a_directory_on_the_way_that_comes_or_goes_is_noticed() {
    let device = Device::new();
    let file = device.path("var/run/uci/socketman");
    let mut watch = FileWatch::default();
    for dir in ["var", "var/run", "var/run/uci"] {
        watch.look_at(std::slice::from_ref(&file));
        fs::create_dir(device.path(dir)).unwrap();
        within(watch.changed()).await;
    }
    watch.look_at(std::slice::from_ref(&file));
    fs::write(&file, "").unwrap();
    within(watch.changed()).await;
    watch.look_at(std::slice::from_ref(&file));
    fs::rename(device.path("var/run/uci"), device.path("elsewhere")).unwrap();
    within(watch.changed()).await;
}

#[tokio::test]
async fn other_files_beside_it_wake_nobody() {
    let device = Device::new();
    let mut watch = FileWatch::default();
    watch.look_at(&[device.path("etc/config/socketman")]);
    for name in ["network", "socketman2", ".socketman.uci-1"] {
        fs::write(device.path("etc/config").join(name), "x").unwrap();
    }
    assert!(timeout(MOMENT, watch.changed()).await.is_err());
}
