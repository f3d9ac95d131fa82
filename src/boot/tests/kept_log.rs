//! The system log over a reboot.

use super::device::Device;
use crate::boot::system_log::{size, KEPT_MAX};
use crate::boot::LOG_SHARE;
use crate::config::{self, Config};

#[test]
fn eight_logs_a_day_are_within_their_share() {
    for daily in [64 << 10, 100_000, 1 << 20, 1 << 30] {
        let spool = config::Spool {
            archive_daily: daily,
            archive_dir: Some("/a".into()),
            boot_log: true,
            ..config::Spool::default()
        };
        let size = size(&spool).unwrap();
        assert!((1024..=KEPT_MAX).contains(&size), "{size}");
        // A cell has a head, and the memory is written before each.
        assert!(8 * size as u64 <= daily / LOG_SHARE, "{size} of {daily}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_of_the_boot_before_is_in_the_detail_and_an_older_one_is_not() {
    let mut device = Device::new();
    device.tells().await;
    let text = "1 pppd: no answer\n2 netifd: wan down".to_owned();
    device.records().keep_log(text).await.unwrap();
    device.reboots();
    let told = device.tells().await;
    let expected = "1 pppd: no answer\n2 netifd: wan down";
    assert_eq!((told.cause, told.detail()), ("power", Some(expected)));
    device.reboots();
    assert_eq!(device.tells().await.detail(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_unless_it_is_asked_for_and_there_is_an_archive() {
    let device = Device::new();
    let records = device.records();
    for (boot_log, archive_dir) in [(false, Some("/a".into())), (true, None)] {
        let spool = config::Spool {
            archive_dir,
            boot_log,
            ..Config::default().spool
        };
        let log = device.log(&records, &spool);
        log.went_offline().await;
        log.reboots(true).await;
        assert!(!device.path("/state/boot_log").exists());
        assert!(!device.path("/state/keep/boot").exists());
    }
}
