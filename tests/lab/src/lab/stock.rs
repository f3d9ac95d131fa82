//! Images and packages that the router can fetch, and the jobs that name them.

use std::net::{Ipv4Addr, SocketAddr};

use ring::digest::{digest, SHA256};
use serde_json::{json, Value};

use super::{Lab, LabError};
use crate::depot::Depot;
use crate::firmware::{Image, Package};
use crate::site::API_NAME;

/// The port of the server of images and packages, where the lab has a network.
const PORT: u16 = 8080;

/// Size of an image, bytes: less than a real one, and enough to be cut.
pub const IMAGE_SIZE: usize = 1 << 20;

impl Lab {
    /// The server of images and packages, which is started if it is not there.
    ///
    /// # Errors
    ///
    /// It has no address.
    pub async fn depot(&mut self) -> Result<&Depot, LabError> {
        if self.depot.is_none() {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let depot = Depot::start(any).await.map_err(LabError::Depot)?;
            if let Ok(site) = &mut self.site {
                site.lead(PORT, depot.addr())?;
            }
            self.depot = Some(depot);
        }
        let depot = self.depot.as_ref();
        depot.ok_or_else(|| LabError::Depot(std::io::ErrorKind::NotFound.into()))
    }

    /// Where the agent finds a file of the depot.
    ///
    /// # Errors
    ///
    /// The depot has no address.
    pub async fn depot_url(&mut self, path: &str) -> Result<String, LabError> {
        let on_cable = self.site.is_ok();
        let depot = self.depot().await?;
        Ok(match on_cable {
            true => format!("http://{API_NAME}:{PORT}{path}"),
            false => depot.url(path),
        })
    }

    /// Offers a file at `path`; the members of a job that fetches it.
    ///
    /// # Errors
    ///
    /// The depot has no address.
    pub async fn offer(&mut self, path: &str, bytes: Vec<u8>) -> Result<Value, LabError> {
        let url = self.depot_url(path).await?;
        let sha256 = sha256(&bytes);
        let size = bytes.len();
        self.depot().await?.put(path, bytes);
        Ok(json!({ "url": url, "sha256": sha256, "size": size }))
    }

    /// Offers an image; the `msg` of a job that flashes it.
    ///
    /// # Errors
    ///
    /// The image or the depot cannot be made.
    pub async fn offer_image(&mut self, image: &Image) -> Result<Value, LabError> {
        let bytes = image.bytes(IMAGE_SIZE).map_err(LabError::Flash)?;
        let path = format!("/{}.bin", image.release.revision);
        let mut msg = self.offer(&path, bytes).await?;
        msg["board"] = json!(self.board()?);
        msg["release"] = json!(image.release.revision);
        Ok(msg)
    }

    /// Offers a package, and one to go back to; the `msg` of a job that installs it. `end` is that of the file
    /// names, `ipk` or `apk`.
    ///
    /// # Errors
    ///
    /// The packages or the depot cannot be made.
    pub async fn offer_package(
        &mut self,
        end: &str,
        package: &Package,
        undo: Option<&Package>,
    ) -> Result<Value, LabError> {
        let file = |package: &Package| match end {
            "apk" => package.apk(),
            _ => package.ipk(),
        };
        let bytes = file(package).map_err(LabError::Flash)?;
        let path = format!("/socketman_{}.{end}", package.number());
        let mut msg = self.offer(&path, bytes).await?;
        match undo {
            Some(undo) => {
                let bytes = file(undo).map_err(LabError::Flash)?;
                let path = format!("/before/socketman_{}.{end}", undo.number());
                let undo = self.offer(&path, bytes).await?;
                msg["undo_url"] = undo["url"].clone();
                msg["undo_sha256"] = undo["sha256"].clone();
            }
            None => msg["no_undo"] = json!(true),
        }
        Ok(msg)
    }

    /// Sets an option in the agent's config.json, which it reads again.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written.
    pub fn set_option(&self, name: &str, value: Value) -> Result<(), LabError> {
        let path = self.program.config_file();
        let read = std::fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        let mut settings: Value = read.map_err(|error| LabError::Settings { path, error })?;
        settings[name] = value;
        Ok(self.program.configure(&settings)?)
    }
}

/// The SHA-256 of bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
