//! Scenes: a size, a theme, and steps that happen, press, wait and expect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perpdeck::model::{
    PastCell, PastError, PastKind, PastPage, PastPlace, PastQuery, PastReader, PastRow, SessionTime, SinkStatus,
};
use perpdeck::tui::testkit::{Fact, Stage};
use perpdeck::tui::theme::Depth;
use serde::Deserialize;

/// A scene file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    pub size: (u16, u16),
    #[serde(default = "cockpit")]
    pub theme: String,
    #[serde(default = "truecolor")]
    pub depth: String,
    #[serde(default)]
    pub ascii: bool,
    /// Whether its last frame is a picture in `screenshots/`.
    #[serde(default)]
    pub picture: bool,
    /// What the history pane is told: rows of the past, each with its table.
    #[serde(default)]
    pub past: Vec<PastFact>,
    #[serde(default)]
    pub step: Vec<Step>,
}

/// A row of the past: values by column, those that are left out are not known.
#[derive(Clone, Debug, Deserialize)]
pub struct PastFact {
    pub table: String,
    #[serde(flatten)]
    pub cells: BTreeMap<String, String>,
}

/// A past of a few rows, newest first, on one page.
struct Kept(Vec<PastFact>);

impl PastReader for Kept {
    fn page(&mut self, query: &PastQuery) -> Result<PastPage, PastError> {
        let time = |text: &str| {
            SessionTime::from_micros(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
        };
        let cell = |kind: PastKind, text: &String| match kind {
            PastKind::Time => PastCell::Time(time(text)),
            PastKind::Number => PastCell::Number(text.clone()),
            PastKind::Whole => PastCell::Whole(text.parse().unwrap()),
            PastKind::Flag => PastCell::Flag(text == "yes"),
            PastKind::Text | PastKind::Json => PastCell::Text(text.clone()),
        };
        let mut rows: Vec<PastRow> = Vec::new();
        for (i, fact) in self.0.iter().enumerate().filter(|(_, fact)| fact.table == query.table.word()) {
            let columns = query.table.columns();
            let unknown = fact.cells.keys().find(|name| query.table.place_of(name).is_none());
            assert_eq!(unknown, None, "no such column in {}", fact.table);
            let cells = columns.iter().map(|column| match fact.cells.get(column.name) {
                Some(text) => cell(column.kind, text),
                None => PastCell::Unknown,
            });
            let at = time(&fact.cells[columns[0].name]);
            rows.push(PastRow {
                cells: cells.collect(),
                place: PastPlace { sorted: String::new(), at, key: i.to_string() },
            });
        }
        rows.sort_by(|a, b| b.place.cmp(&a.place));
        Ok(PastPage { rows, more: false })
    }
}

/// One step; its parts happen in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Another file's steps first.
    pub play: Option<String>,
    pub facts: Vec<Fact>,
    /// What the copy in QuestDB says of itself.
    pub sink: Option<SinkStatus>,
    pub keys: Option<String>,
    pub wait_ms: u64,
    pub resize: Option<(u16, u16)>,
    pub paste: bool,
    pub expect: Vec<String>,
    pub absent: Vec<String>,
    /// All commands sent so far, in words.
    pub sent: Option<Vec<String>>,
}

fn cockpit() -> String {
    "cockpit".to_owned()
}

fn truecolor() -> String {
    "truecolor".to_owned()
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/scenes")
}

/// All scenes by name.
pub fn all() -> Vec<(String, Scene)> {
    let mut names: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(ToOwned::to_owned))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), load(&name))).collect()
}

pub fn load(name: &str) -> Scene {
    let path = folder().join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Scene {
    pub fn stage(&self) -> Stage {
        let depth = match self.depth.as_str() {
            "truecolor" => Depth::TrueColour,
            "256" => Depth::Indexed,
            "16" => Depth::Ansi,
            "none" => Depth::Mono,
            other => panic!("depth {other:?}"),
        };
        let mut stage = Stage::new(self.size, &self.theme, depth, self.ascii).unwrap();
        if !self.past.is_empty() {
            stage.keep_past(Box::new(Kept(self.past.clone())), &["this machine"]);
        }
        stage
    }

    /// Plays all steps on a stage of this scene; panics where something expected is not so.
    pub fn play(&self, name: &str) -> Stage {
        let mut stage = self.stage();
        run(&mut stage, name, &self.step, true);
        stage
    }
}

/// What a played file expects holds for its own size only.
fn run(stage: &mut Stage, name: &str, steps: &[Step], own: bool) {
    for (i, step) in steps.iter().enumerate() {
        let place = format!("{name}, step {}", i + 1);
        if let Some(other) = &step.play {
            run(stage, other, &load(other).step, false);
        }
        for fact in &step.facts {
            stage.happen(fact);
        }
        if let Some(sink) = &step.sink {
            stage.tell(perpdeck::tui::update::Msg::Sink(Box::new(sink.clone())));
        }
        if let Some(size) = step.resize {
            stage.tell(perpdeck::tui::update::Msg::Resize(size.0, size.1));
        }
        if step.paste {
            stage.tell(perpdeck::tui::update::Msg::Paste);
        }
        if let Some(keys) = &step.keys {
            stage.keys(keys);
        }
        if step.wait_ms > 0 {
            stage.wait(Duration::from_millis(step.wait_ms));
        }
        if !own {
            continue;
        }
        let screen = stage.screen().join("\n");
        for text in &step.expect {
            assert!(screen.contains(text.as_str()), "{place}: {text:?} is not on the screen:\n{screen}");
        }
        for text in &step.absent {
            assert!(!screen.contains(text.as_str()), "{place}: {text:?} is on the screen:\n{screen}");
        }
        if let Some(sent) = &step.sent {
            let words: Vec<String> = stage.sent.iter().map(|command| command.action.summary()).collect();
            assert_eq!(&words, sent, "{place}");
        }
    }
}
