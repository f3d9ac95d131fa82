//! `socketman jobs`: recent jobs and their outcomes.

use std::io::Write;

use super::ask::{Agent, AskError};
use super::view::shown;
use super::words::{ago, safe};
use super::BusArgs;

shown! {
    struct View {
        jobs: Vec<JobView>,
    }
}

shown! {
    struct JobView {
        id: String,
        type_name as "type": String,
        state: String,
        started: Option<u64>,
        duration_ms: Option<u64>,
        exit_code: Option<i32>,
        source: String,
    }
}

/// Prints the recent jobs.
pub async fn run(json: bool, bus: &BusArgs) -> Result<(), AskError> {
    let agent = Agent::connect(bus).await?;
    if json {
        return agent.print_json("jobs").await;
    }
    let view: View = agent.call("jobs", &()).await?;
    std::io::stdout().write_all(view.text().as_bytes())?;
    Ok(())
}

impl View {
    fn text(&self) -> String {
        if self.jobs.is_empty() {
            return "no jobs since the agent started\n".to_owned();
        }
        let mut text = format!(
            "{:<11}  {:>4}  {:>9}  {:<16}  {:<6}  {:<10}  {}\n",
            "state", "exit", "ms", "started", "source", "type", "id"
        );
        for job in &self.jobs {
            text += &format!(
                "{:<11}  {:>4}  {:>9}  {:<16}  {:<6}  {:<10}  {}\n",
                safe(&job.state),
                job.exit_code
                    .map_or_else(|| "-".into(), |code| code.to_string()),
                job.duration_ms
                    .map_or_else(|| "-".into(), |ms| ms.to_string()),
                job.started.map_or_else(|| "-".into(), ago),
                safe(&job.source),
                match job.type_name.as_str() {
                    "" => "-".to_owned(),
                    name => safe(name),
                },
                safe(&job.id),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{assert_harmless, HOSTILE};

    #[test]
    fn ids_and_types_cannot_drive_the_terminal() {
        let view = View {
            jobs: vec![JobView {
                id: HOSTILE.into(),
                type_name: HOSTILE.into(),
                state: HOSTILE.into(),
                source: HOSTILE.into(),
                ..JobView::default()
            }],
        };
        assert_harmless(&view.text(), 4);
    }
}
