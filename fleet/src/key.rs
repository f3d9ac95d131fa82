//! An operator's private key in its file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::prelude::{Engine, BASE64_STANDARD};
use ring::signature::{Ed25519KeyPair, KeyPair};
use socketman::config::PublicKey;

/// A file that is longer holds something else, bytes.
const FILE_MAX: u64 = 16 << 10;

/// Bytes of a private key.
pub(crate) const SEED: usize = 32;

/// PKCS#8, version 1, of an Ed25519 key, up to the key itself (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{file}: {error}")]
    File { file: String, error: io::Error },
    #[error("{0}: others may read it; after a look at who did: chmod 600 {0}")]
    Open(String),
    #[error("{0}: needs a passphrase, which nobody here can ask for; openssl pkey -in OLD -out NEW takes it off")]
    Locked(String),
    #[error("{0}: holds no Ed25519 private key (PEM, PKCS#8)")]
    Other(String),
}

/// A private key and its public half.
pub struct Key {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// Shows the public half alone.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.public).finish()
    }
}

impl Key {
    /// Reads a file as [`keygen`](crate::keygen()) and OpenSSL make it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, others can read it, or it holds something else.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let name = || file.display().to_string();
        let failed = |error| KeyError::File {
            file: name(),
            error,
        };
        let opened = File::open(file).map_err(failed)?;
        let metadata = opened.metadata().map_err(failed)?;
        let mut text = String::new();
        let read = opened.take(FILE_MAX).read_to_string(&mut text);
        if let Err(error) = read {
            return Err(match error.kind() {
                io::ErrorKind::InvalidData => KeyError::Other(name()),
                _ => failed(error),
            });
        }
        // A public key may be read by everybody, and is not what is missing here.
        if text.contains("PRIVATE KEY-----") && metadata.mode() & 0o077 != 0 {
            return Err(KeyError::Open(name()));
        }
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(KeyError::Locked(name()));
        }
        let der = from_pem(&text).ok_or_else(|| KeyError::Other(name()))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
        pair.map(Key::of).map_err(|_| KeyError::Other(name()))
    }

    /// The key with this private half.
    pub(crate) fn from_seed(seed: &[u8; SEED]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Key::of(pair.expect("every 32 bytes are a private key"))
    }

    fn of(pair: Ed25519KeyPair) -> Self {
        let public = pair.public_key().as_ref().try_into();
        let public = PublicKey(public.expect("Ed25519 has 32 bytes"));
        Key { pair, public }
    }

    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The signature of `text`, as `sig` holds it.
    pub(crate) fn sign(&self, text: &[u8]) -> String {
        BASE64_STANDARD.encode(self.pair.sign(text))
    }
}

/// Where the public half of the key in `file` is.
pub fn public_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// A public key as option `job_pubkey` takes it.
pub(crate) fn public_text(PublicKey(key): &PublicKey) -> String {
    BASE64_STANDARD.encode(key)
}

/// A private key as its file has it.
pub(crate) fn to_pem(seed: &[u8; SEED]) -> String {
    let der = [&PKCS8[..], seed].concat();
    format!("{BEGIN}\n{}\n{END}\n", BASE64_STANDARD.encode(der))
}

fn from_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let digits: String = body.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(text: impl AsRef<[u8]>, mode: u32) -> Result<Key, KeyError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("op.key");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        Key::read(&file)
    }

    // RFC 8410, section 10.3; without and with attributes and public key.
    const OPENSSL: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    #[test]
    fn a_key_that_openssl_made_is_read_and_written_in_the_same_way() {
        for text in [OPENSSL.to_owned(), OPENSSL.replace('\n', "\r\n")] {
            let key = read(text, 0o600).unwrap();
            assert_eq!(public_text(&key.public()), PUBLIC);
        }
        let der = from_pem(OPENSSL).unwrap();
        let seed = der[PKCS8.len()..].try_into().unwrap();
        assert_eq!(to_pem(&seed), OPENSSL);
        assert!(!format!("{:?}", Key::from_seed(&seed)).contains("d4, ee"));
    }

    #[test]
    fn what_is_no_private_key_is_refused_in_words() {
        let rsa = OPENSSL.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu");
        for text in [
            "",
            "text",
            PUBLIC,
            "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
            &rsa,
            &OPENSSL[..60],
        ] {
            let error = read(text, 0o600).unwrap_err().to_string();
            assert!(error.contains("holds no Ed25519 private key"), "{error}");
        }
        assert!(matches!(read([0xff; 100], 0o600), Err(KeyError::Other(_))));
        let locked = OPENSSL.replace(" PRIVATE", " ENCRYPTED PRIVATE");
        assert!(matches!(read(locked, 0o600), Err(KeyError::Locked(_))));
        let missing = Key::read(Path::new("/not/there")).unwrap_err();
        assert!(missing.to_string().starts_with("/not/there: "), "{missing}");
    }

    #[test]
    fn a_key_that_others_may_read_is_not_used() {
        for mode in [0o604, 0o640, 0o644, 0o660] {
            assert!(matches!(read(OPENSSL, mode), Err(KeyError::Open(_))));
        }
        assert!(read(OPENSSL, 0o400).is_ok());
        assert!(matches!(read(PUBLIC, 0o644), Err(KeyError::Other(_))));
    }
}
