//! Messages and refused requests of the device, in words.

use super::{first_line, ConsoleError, Printer};
use crate::collector::Record;
use crate::mqtt_side::{Said, Words};

/// Requests the API did not accept.
pub(super) fn show_refused(
    known: &Record,
    seen: &mut u64,
    printer: &Printer,
) -> Result<(), ConsoleError> {
    let new = known.requests_total.saturating_sub(*seen);
    *seen = known.requests_total;
    let new = usize::try_from(new).unwrap_or(usize::MAX);
    let from = known.requests.len().saturating_sub(new);
    for request in &known.requests[from..] {
        if let Some(status) = request.status.filter(|status| *status != 200) {
            let count = request.reports.len();
            printer.line(&format!("API answered {status} to {count} reports"))?;
        }
    }
    Ok(())
}

pub(super) fn show_message(said: &Said, printer: &Printer) -> Result<(), ConsoleError> {
    let Some(words) = said.words() else {
        let text = String::from_utf8_lossy(&said.payload);
        return printer.line(&format!(
            "{}: not understood: {}",
            said.channel,
            first_line(&text)
        ));
    };
    match describe(&words) {
        Some(text) => printer.line(&text),
        None => Ok(()),
    }
}

/// A message in words; None for the presence message, which only says that all is as it was.
pub(super) fn describe(words: &Words) -> Option<String> {
    let (id, meta) = (first_line(&words.id), &words.meta);
    Some(match (words.event_type.as_str(), meta.online.as_str()) {
        ("PING", _) => return None,
        ("CONNECT", "1") => "broker: the agent is online".to_owned(),
        ("CONNECT", _) => "broker: the agent is offline".to_owned(),
        ("DELIVERED", _) => format!("job {id} DELIVERED"),
        (event_type, _) => {
            let end = match (meta.exit_code, meta.signal) {
                (Some(code), _) => format!(", exit code {code}"),
                (None, Some(signal)) => format!(", signal {signal}"),
                (None, None) => String::new(),
            };
            let said = [&meta.msg, &meta.stderr, &meta.reason]
                .into_iter()
                .find(|text| !text.is_empty());
            let said = said.map_or("no output".to_owned(), |text| first_line(text));
            format!("job {id} {}{end}: {said}", first_line(event_type))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(json: &str) -> Option<String> {
        let said = Said {
            channel: "pub".into(),
            payload: json.into(),
        };
        describe(&said.words().unwrap())
    }

    #[test]
    fn messages_of_the_device_are_one_safe_line_each() {
        let line = described(
            r#"{"id":"a","event_type":"PROCESSED","meta":{"msg":"one\u001b[2J\ntwo\n","exit_code":0}}"#,
        );
        assert_eq!(
            line.unwrap(),
            "job a PROCESSED, exit code 0: one\u{fffd}[2J …"
        );
        let line = described(
            r#"{"id":"a","event_type":"PROCESSED","meta":{"msg":"","stderr":"sh: nosuch: not found\n","exit_code":127}}"#,
        );
        assert_eq!(
            line.unwrap(),
            "job a PROCESSED, exit code 127: sh: nosuch: not found"
        );
        let line = described(r#"{"id":"b","event_type":"REJECTED","meta":{"reason":"expired"}}"#);
        assert_eq!(line.unwrap(), "job b REJECTED: expired");
        let line = described(r#"{"event_type":"CONNECT","meta":{"online":"0"}}"#);
        assert_eq!(line.unwrap(), "broker: the agent is offline");
        assert_eq!(described(r#"{"event_type":"PING"}"#), None);
    }
}
