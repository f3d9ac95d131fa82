//! The reports the API accepted, read as they are appended.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::Deserialize;

/// The members of a report that the lab looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Glance {
    pub seq: u64,
    /// Addresses of the authorised stations, sorted.
    pub stations: Vec<String>,
    pub interfaces: usize,
    /// Reports it declares missing. What a power cut took before the first start is not counted: nobody
    /// knows whether there was anything.
    pub missing: u64,
    /// Of the line.
    pub bytes: usize,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    device: Device,
    stations: Vec<Station>,
    interfaces: Vec<IgnoredAny>,
    gaps: Vec<Gap>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Gap {
    count: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Device {
    seq: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Station {
    mac: String,
    /// Absent means that the source of the station knows no others.
    authorized: Option<bool>,
}

/// The place in the file up to which it was read.
#[derive(Debug)]
pub struct ReportTail {
    path: PathBuf,
    offset: u64,
}

impl ReportTail {
    /// Reads the file at `path` from its beginning, once it is there.
    pub fn new(path: PathBuf) -> Self {
        ReportTail { path, offset: 0 }
    }

    /// The reports that came since it was last called.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or a line is not a report.
    pub fn read_new(&mut self) -> io::Result<Vec<Glance>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // A line without its end is still being written.
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.offset += whole as u64;
        let lines = text[..whole].split_inclusive(|byte| *byte == b'\n');
        lines.map(glance).collect()
    }
}

fn glance(line: &[u8]) -> io::Result<Glance> {
    let report: Report = serde_json::from_slice(line)?;
    let authorised = report
        .stations
        .into_iter()
        .filter(|s| s.authorized != Some(false));
    let mut stations: Vec<String> = authorised.map(|s| s.mac).collect();
    stations.sort();
    Ok(Glance {
        seq: report.device.seq,
        stations,
        interfaces: report.interfaces.len(),
        missing: report.gaps.iter().filter_map(|gap| gap.count).sum(),
        bytes: line.len(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    #[test]
    fn each_report_is_read_once_and_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("reports.ndjson");
        let mut tail = ReportTail::new(path.clone());
        assert_eq!(tail.read_new().unwrap(), []);

        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let first = "{\"stations\":[{\"mac\":\"B\"},{\"mac\":\"A\",\"authorized\":true},{\"mac\":\"C\",\"authorized\":false}],\"device\":{\"seq\":1},\"gaps\":[{\"count\":2},{\"count\":null},{\"count\":3}]}\n";
        write!(file, "{first}{{\"device\":{{\"se").unwrap();
        let expected = Glance {
            seq: 1,
            stations: vec!["A".into(), "B".into()],
            missing: 5,
            bytes: first.len(),
            ..Glance::default()
        };
        assert_eq!(tail.read_new().unwrap(), [expected]);
        assert_eq!(tail.read_new().unwrap(), []);

        writeln!(file, "q\":2}}}}").unwrap();
        assert_eq!(tail.read_new().unwrap()[0].seq, 2);

        writeln!(file, "rubbish").unwrap();
        tail.read_new().unwrap_err();
    }
}
