//! config.json as a source of settings.

use super::chosen::Source;
use super::closed::{IN_PLACE, LOST};
use super::earlier::Earlier;
use super::file::SettingsFile;
use super::inputs::KIND;
use super::json::{self, DocumentError};
use super::last_good::{Copy, Kept};
use super::load::{At, Loading};
use super::Inputs;

/// The outcome of reading config.json.
#[derive(Default)]
pub(super) struct JsonSource {
    /// The last good copy from now on.
    pub(super) good: Option<Copy>,
    /// The file, if it is there, and neither it nor its copy can be read.
    pub(super) lost: Option<String>,
    /// The file can be read, and every option in it that guards can be used.
    pub(super) is_usable: bool,
}

impl Inputs {
    /// Takes config.json, which need not be there if it is `optional`, or its last good copy.
    pub(super) fn take_json(
        &self,
        loading: &mut Loading<'_>,
        kept: &Kept<'_>,
        optional: bool,
    ) -> JsonSource {
        let read = SettingsFile::read(kept.of, json::MAX_FILE).map_err(DocumentError::from);
        let taken = read.and_then(|file| {
            self.take_document(loading, &file.bytes)?;
            Ok(file)
        });
        let error = match taken {
            Ok(file) => {
                loading.strict.counts(Source::File, &file.bytes);
                loading.warn_of_readers(Source::File, &file);
                let is_usable = loading.hold(&|| Earlier::json(kept.copy()));
                return JsonSource {
                    good: kept.next(file.bytes, is_usable),
                    lost: None,
                    is_usable,
                };
            }
            Err(error) => error,
        };
        let at = At(Source::File, error.line());
        if error.is_absent() {
            // A file that was taken away was meant to go.
            if !optional {
                loading.refuse_file(None, at, error.to_string());
            }
            return JsonSource {
                is_usable: optional,
                ..JsonSource::default()
            };
        }
        let file = loading.unreadable(kept.of.display().to_string());
        let good = kept.copy();
        let is_taken = |copy: &Copy| {
            loading.strict.counts(Source::File, &copy.bytes);
            self.take_document(loading, &copy.bytes).is_ok()
        };
        let (lost, effect) = match good.as_ref().is_some_and(is_taken) {
            true => (None, IN_PLACE),
            false => (Some(file), LOST),
        };
        loading.refuse_file(None, at, format!("{error}; {effect}"));
        loading.hold(&|| Earlier::json(good.clone()));
        JsonSource {
            good,
            lost,
            is_usable: false,
        }
    }

    fn take_document(&self, loading: &mut Loading<'_>, bytes: &[u8]) -> Result<(), DocumentError> {
        let _handling = self.crashes.handle(KIND, bytes)?;
        loading.take_json(json::parse(bytes)?);
        Ok(())
    }
}
