//! Follows a run until it ends.
//!
//! In: a client and the run as it stands. Out: text on standard output as things change.
//! Never: gives up because the scheduler is away for a moment.
//! Fails: with the client's code once the scheduler was away for [`AWAY_MAX`].
//! Source: `docs/guides/command-line.md`.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use cofferdam_client::{Client, ClientError};
use cofferdam_protocol::api::{RunState, RunView, TaskView};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{
    failure::{Failure, Outcome},
    now,
    text::Paint,
};

use super::view;

/// Milliseconds one watch waits for a change.
const WATCH_MS: u32 = 20_000;
/// How often the live view is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(250);
/// How long the scheduler may be away.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Redrawn in place.
    Live,
    /// A line per change.
    Plain,
    /// A JSON line per change, and the whole run at the end.
    Json,
}

/// How following ended.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    /// The run is over.
    Run(Box<RunView>),
    /// The person left; the run goes on.
    Detached,
}

#[derive(Serialize)]
struct TaskLine<'a> {
    event: &'static str,
    #[serde(flatten)]
    task: &'a TaskView,
}

#[derive(Serialize)]
struct RunLine<'a> {
    event: &'static str,
    #[serde(flatten)]
    run: &'a RunView,
}

/// Follows a run until it has ended or the person leaves.
pub async fn follow(client: &Client, mut run: RunView, format: Format, paint: Paint) -> Outcome<Ended> {
    let screen = Screen::new(format, paint);
    screen.changes(None, &run);
    let mut draw = tokio::time::interval(DRAW_EVERY);
    let mut away_since: Option<Instant> = None;
    while run.state == RunState::Running {
        let answer = {
            let mut watch = std::pin::pin!(watch(client, &run));
            loop {
                tokio::select! {
                    answer = &mut watch => break answer,
                    _ = draw.tick() => screen.draw(&run),
                    _ = tokio::signal::ctrl_c() => {
                        screen.clear();
                        return Ok(Ended::Detached);
                    }
                }
            }
        };
        match answer {
            Ok(changes) => {
                away_since = None;
                let next = run.clone().with(changes);
                screen.changes(Some(&run), &next);
                run = next;
            }
            Err(error)
                if error.is_transient()
                    && away_since.get_or_insert_with(Instant::now).elapsed() < AWAY_MAX =>
            {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => {
                screen.clear();
                return Err(Failure::of(&error));
            }
        }
    }
    screen.clear();
    screen.end(&run);
    Ok(Ended::Run(Box::new(run)))
}

async fn watch(client: &Client, run: &RunView) -> Result<RunView, ClientError> {
    client.watch_run(&run.run, run.version, WATCH_MS).await
}

struct Screen {
    format: Format,
    paint: Paint,
    bar: Option<ProgressBar>,
}

impl Screen {
    fn new(format: Format, paint: Paint) -> Self {
        let bar = (format == Format::Live).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { format, paint, bar }
    }

    fn changes(&self, before: Option<&RunView>, after: &RunView) {
        for task in view::changed(before, after) {
            match self.format {
                Format::Live => {
                    // What ended scrolls by above the live lines; what runs is among them.
                    if let (true, Some(bar)) = (task.state.is_final(), &self.bar) {
                        view::change(task, now(), self.paint).iter().for_each(|line| bar.println(line));
                    }
                }
                Format::Plain => {
                    view::change(task, now(), self.paint).iter().for_each(|line| say(line));
                }
                Format::Json => json(&TaskLine { event: "task", task }),
            }
        }
        self.draw(after);
    }

    fn draw(&self, run: &RunView) {
        if let Some(bar) = &self.bar {
            bar.set_message(view::live(run, now(), width(), self.paint).join("\n"));
            bar.tick();
        }
    }

    fn clear(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn end(&self, run: &RunView) {
        match self.format {
            Format::Json => json(&RunLine { event: "run", run }),
            _ => say(view::summary(run, self.paint).trim_end()),
        }
    }
}

fn json(value: &impl Serialize) {
    say(&serde_json::to_string(value).unwrap_or_default());
}

/// Prints a line. A reader that has gone away is no reason to fail the run.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Columns of the terminal.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(80, |size| usize::from(size.ws_col).max(20))
}
