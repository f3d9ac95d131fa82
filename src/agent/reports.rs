//! From collection to the spool, wherever that is.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::collect::Report;
use crate::reload::{until_due, Current};
use crate::shutdown::Shutdown;
use crate::spool;

/// Gives each report its place in the spool.
pub(super) async fn keep(mut collected: mpsc::Receiver<Arc<Report>>, spool: spool::Handle) {
    while let Some(report) = collected.recv().await {
        let build =
            move |stamp: &spool::Stamp<'_>| report.to_line(stamp.boot_id, stamp.seq, stamp.gaps);
        match spool.append(build).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("report not kept: {error}"),
            Err(stopped) => {
                log::error!("report not kept: {stopped}");
                return;
            }
        }
    }
}

/// Tells the spool where it is to be, how large, and how to keep reports, from `now` on. It does not
/// stop for that: reports come meanwhile.
pub(super) async fn keep_spool_settled(
    mut now: Arc<Current>,
    mut current: watch::Receiver<Arc<Current>>,
    spool: spool::Handle,
    mut ends: Shutdown,
) {
    loop {
        tokio::select! {
            () = ends.requested() => return,
            () = until_due(&mut current, &now, spool::OPTIONS) => {}
        }
        now = current.borrow_and_update().clone();
        let config = &now.loaded.config;
        let settled = spool.settle(config.spool_dir.clone(), config.spool_max, config.no_cache);
        if settled.await.is_err() {
            return;
        }
    }
}
