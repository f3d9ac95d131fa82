//! From collection to the spool, wherever that is.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::boot;
use crate::collect::Report;
use crate::config::reload::{until_due, Current, Since};
use crate::config::{self, Config};
use crate::process::shutdown::Shutdown;

/// Gives each report its place in the spool. `told` is set when the one that tells of the boot has its.
pub(super) async fn keep(
    mut collected: mpsc::Receiver<Arc<Report>>,
    spool: spool::Handle,
    told: watch::Sender<bool>,
) {
    while let Some(report) = collected.recv().await {
        let tells = report.events.iter().any(|event| event.kind == "boot");
        let build = move |stamp: &spool::Stamp<'_>| report.to_line(stamp);
        match spool.append(build).await {
            Ok(Ok(())) if tells => drop(told.send_replace(true)),
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("report not kept: {error}"),
            Err(stopped) => {
                log::error!("report not kept: {stopped}");
                return;
            }
        }
    }
}

/// Tells the spool where it is to be and how large, from `since` on. It does not
/// stop for that: reports come meanwhile.
pub(super) async fn keep_spool_settled(
    mut since: Since,
    mut current: watch::Receiver<Arc<Current>>,
    spool: spool::Handle,
    mut ends: Shutdown,
) {
    loop {
        tokio::select! {
            () = ends.requested() => return,
            () = until_due(&mut current, &since, is_same_place) => {}
        }
        let place = {
            let now = current.borrow_and_update();
            since = Since::from(&**now);
            spool_place(&now.loaded.config.spool)
        };
        if spool.settle(place).await.is_err() {
            return;
        }
    }
}

fn is_same_place(one: &Config, other: &Config) -> bool {
    one.spool == other.spool
}

/// Where reports are kept, and how many.
pub(super) fn spool_place(settings: &config::Spool) -> spool::Place {
    let logs = match settings.boot_log {
        true => settings.archive_daily / boot::LOG_SHARE,
        false => 0,
    };
    spool::Place {
        dir: settings.dir.clone(),
        max: settings.max,
        flash: settings.archive_dir.clone().map(|dir| spool::Flash {
            dir,
            max: settings.archive_max,
            daily: settings.archive_daily - logs,
        }),
        left: settings.left_dirs.clone(),
    }
}
