//! A new key pair.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use crate::key::{public_file, public_text, to_pem, Key, SEED};

/// No key pair was made.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    #[error("{0}: is there already, and stays as it is")]
    Exists(String),
    #[error("{file}: {error}")]
    File { file: String, error: io::Error },
    #[error("the system has no random numbers")]
    Random,
}

/// Makes a key pair, its private half in `file` for its owner alone (mode 0600) and its public half in
/// `file`.pub; returns the latter as option `job_pubkey` takes it.
///
/// # Errors
///
/// A file of the pair is there already or cannot be written; neither is made.
pub fn keygen(file: &Path) -> Result<String, KeygenError> {
    let mut seed = [0; SEED];
    let random = SystemRandom::new();
    random.fill(&mut seed).map_err(|_| KeygenError::Random)?;
    let public = public_text(&Key::from_seed(&seed).public());
    write(file, 0o600, &to_pem(&seed))?;
    let written = write(&public_file(file), 0o644, &format!("{public}\n"));
    if let Err(error) = written {
        // A key without its public half is of no use to anybody. That it goes is no more than tidy.
        let _ = fs::remove_file(file);
        return Err(error);
    }
    Ok(public)
}

/// Writes a file that must not be there before, and takes it away again if that fails half-way.
fn write(file: &Path, mode: u32, text: &str) -> Result<(), KeygenError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeygenError::Exists(file.display().to_string()),
        _ => KeygenError::File {
            file: file.display().to_string(),
            error,
        },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut opened = options.open(file).map_err(failed)?;
    let written = opened
        .write_all(text.as_bytes())
        .and_then(|()| opened.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(file);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_private_half_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("op.key");
        let public = keygen(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(&public_file(&file)) & 0o133, 0);
        let key = Key::read(&file).unwrap();
        assert_eq!(public_text(&key.public()), public);
        let written = fs::read_to_string(public_file(&file)).unwrap();
        assert_eq!(written, format!("{public}\n"));
        assert_ne!(keygen(&dir.path().join("other")).unwrap(), public);
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("op.key");
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(matches!(keygen(&link), Err(KeygenError::Exists(_))));
        assert!(!target.exists());

        fs::write(public_file(&file), "mine").unwrap();
        assert!(matches!(keygen(&file), Err(KeygenError::Exists(_))));
        assert!(!file.exists(), "no half of a pair");
        assert_eq!(fs::read_to_string(public_file(&file)).unwrap(), "mine");

        fs::remove_file(public_file(&file)).unwrap();
        fs::write(&file, "mine").unwrap();
        assert!(matches!(keygen(&file), Err(KeygenError::Exists(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert!(!public_file(&file).exists());

        let error = keygen(&dir.path().join("not/there")).unwrap_err();
        assert!(error.to_string().contains("not/there: "), "{error}");
    }
}
