//! The lab's network: its faults, and how the agent gets into it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Lab, LabError};
use crate::place::{Place, PlaceError};
use crate::router::netifd::Uplink;
use crate::site::{Namespace, Site, WanFault};

impl Lab {
    /// The network around the router.
    ///
    /// # Errors
    ///
    /// It has none, for the reason given.
    pub fn site(&mut self) -> Result<&mut Site, LabError> {
        match &mut self.site {
            Ok(site) => Ok(site),
            Err(why) => Err(LabError::NoSite(why.clone())),
        }
    }

    /// Brings a fault of the WAN about, and has netifd see it.
    ///
    /// # Errors
    ///
    /// The lab has no network namespaces.
    pub async fn fail_wan(&mut self, fault: WanFault) -> Result<(), LabError> {
        let site = self.site()?;
        site.fail(fault).await?;
        let uplink = site.uplink();
        Ok(self.router.set_uplink(uplink).await?)
    }

    /// Ends all faults of the WAN.
    ///
    /// # Errors
    ///
    /// The lab has no network namespaces.
    pub async fn heal_wan(&mut self) -> Result<(), LabError> {
        let site = self.site()?;
        site.heal()?;
        let uplink = site.uplink();
        Ok(self.router.set_uplink(uplink).await?)
    }
}

/// The ground that a router stands on at this site.
pub(super) fn ground(site: &Site) -> (Arc<Namespace>, Uplink) {
    (Arc::clone(site.device()), site.uplink())
}

/// Writes a program that starts the agent in the device's namespace, where names are asked of the router's
/// own resolver.
pub(super) fn inside(site: &Site, agent: &Path, place: &Place) -> Result<PathBuf, LabError> {
    let path = place.agent();
    let resolv = place.path().join("resolv.conf");
    let failed = |error| {
        LabError::Place(PlaceError::Io {
            path: path.clone(),
            error,
        })
    };
    // A file of its own: what is mounted stays the same file when a boot makes another.
    fs::write(&resolv, "nameserver 127.0.0.1\n").map_err(failed)?;
    let script = format!(
        "#!/bin/sh\nexec ip netns exec {} sh -c 'mount --bind {} /etc/resolv.conf && exec \"$0\" \"$@\"' {} \"$@\"\n",
        site.device().name(),
        resolv.display(),
        agent.display()
    );
    fs::write(&path, script).map_err(failed)?;
    fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
    Ok(path)
}
