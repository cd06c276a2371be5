//! The pictures in `screenshots/` are what the dashboard draws: each named scene is drawn again, and
//! any difference fails. `PERPDECK_BLESS=1 cargo test --test screenshots` writes them anew.
#![cfg(test)]

#[path = "process/ledger.rs"]
#[allow(dead_code, reason = "the tests of the process fetch and reopen books in other ways")]
mod ledger;
#[path = "dashboard/scene.rs"]
mod scene;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use perpdeck::clock::{Clock, Speed};
use perpdeck::config::Settings;
use perpdeck::model::{
    Action, AlertKind, Command, CommandId, Event, Record, SessionState, SessionTime, StopPolicy, Symbol,
};
use perpdeck::runtime::{self, Interest, Launch, Update, Venue};
use perpdeck::simulator::{self, Credentials, Scenario};
use perpdeck::tui::picture;
use perpdeck::tui::testkit::Stage;
use perpdeck::tui::theme::Depth;
use perpdeck::tui::update::Msg;
use resvg::{tiny_skia, usvg};

/// Pixels for each unit of a picture: at 2 no hairlines stand between blocks.
const SCALE: f32 = 2.0;

fn fonts() -> usvg::fontdb::Database {
    let mut fonts = usvg::fontdb::Database::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fonts");
    for file in ["DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"] {
        fonts.load_font_data(std::fs::read(folder.join(file)).unwrap());
    }
    fonts.set_monospace_family("DejaVu Sans Mono");
    fonts
}

fn png(svg: &str, options: &usvg::Options<'_>) -> Vec<u8> {
    let tree = usvg::Tree::from_str(svg, options).unwrap();
    let size = tree.size().to_int_size().scale_by(SCALE).unwrap();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).unwrap();
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().unwrap()
}

/// The pictures on disk, and those that are not what is drawn now.
struct Album {
    options: usvg::Options<'static>,
    bless: bool,
    drawn: usize,
    stale: Vec<String>,
}

impl Album {
    fn open() -> Self {
        let options = usvg::Options { fontdb: Arc::new(fonts()), ..usvg::Options::default() };
        Self { options, bless: std::env::var_os("PERPDECK_BLESS").is_some(), drawn: 0, stale: Vec::new() }
    }

    fn add(&mut self, name: &str, stage: &mut Stage) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots");
        let buffer = stage.draw();
        let svg = picture::svg(&buffer, &stage.theme);
        let pixels = png(&svg, &self.options);
        for (file, bytes) in [(format!("{name}.svg"), svg.into_bytes()), (format!("{name}.png"), pixels)] {
            self.drawn += 1;
            let path = folder.join(&file);
            if self.bless {
                std::fs::write(&path, &bytes).unwrap();
            } else if std::fs::read(&path).ok().as_deref() != Some(bytes.as_slice()) {
                self.stale.push(file);
            }
        }
    }

    fn close(self) {
        assert!(self.drawn >= 2, "nothing was drawn");
        let stale = self.stale;
        assert!(stale.is_empty(), "pictures are not what is drawn now: {stale:?}; PERPDECK_BLESS=1 writes them anew");
    }
}

#[test]
fn pictures_show_what_the_dashboard_draws() {
    let mut album = Album::open();
    for (name, scene) in scene::all().into_iter().filter(|(_, scene)| scene.picture) {
        let mut stage = scene.play(&name);
        album.add(&name, &mut stage);
    }
    album.close();
}

const SYMBOLS: [&str; 5] = ["BTC_USDT", "ETH_USDT", "SOL_USDT", "XRP_USDT", "DOGE_USDT"];

/// Orders after which the session of the picture ends.
const ORDERS: usize = 24;

/// What a session said until some time after its first liquidation: scenario `crash`, the built-in
/// strategy, and nothing else. It goes on until it has made enough orders to be held against the
/// exchange's books, and is stopped in order.
fn crash() -> (Arc<SessionState>, Vec<Record>) {
    let data = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    let scenario = Scenario::load("crash").unwrap();
    let mut market = simulator::Settings::new(settings.simulator.seed, scenario, Credentials::new("", ""));
    market.balance = settings.risk.paper_capital;
    market.data_dir = Some(data.path().join("sim"));
    let launch = Launch {
        settings,
        data_dir: data.path().to_owned(),
        venue: Venue::Embedded(Box::new(market.clone())),
        speed: Speed::Max,
        strategy: true,
        label: "scenario crash".to_owned(),
        symbols: SYMBOLS.iter().map(|name| Symbol::new(name).unwrap()).collect(),
        adopt_key: None,
    };
    let running = runtime::start(launch).unwrap();
    let mut said = running.subscriptions.folding("picture", Interest::Everything, usize::MAX);
    let mut first = None;
    let mut records = Vec::new();
    let mut until: Option<SessionTime> = None;
    let mut orders = 0;
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        while let Some(update) = said.next().await {
            let batch = match update {
                Update::Events(batch) => batch,
                Update::Snapshot(state) => {
                    first = Some(state);
                    continue;
                }
            };
            orders += batch.iter().filter(|record| matches!(record.event, Event::OrderCreated { .. })).count();
            if orders >= ORDERS && until.is_some() {
                return;
            }
            for record in batch.iter() {
                if until.is_some_and(|until| record.at > until) {
                    continue;
                }
                if let Event::AlertChanged { key, .. } = &record.event
                    && key.kind == AlertKind::LiquidationDetected
                {
                    until = until.or(Some(record.at.plus(Duration::from_secs(3))));
                }
                if let Event::AlertRaised { alert } = &record.event
                    && alert.key.kind == AlertKind::LiquidationDetected
                {
                    until = until.or(Some(record.at.plus(Duration::from_secs(3))));
                }
                records.push(record.clone());
            }
        }
    });
    let action = Action::Stop { policy: StopPolicy::CancelEntries };
    running.commands.send(Command { id: CommandId::new("enough").unwrap(), by: "test".to_owned(), action }).unwrap();
    let ended = running.join().unwrap();
    assert_eq!((ended.abandoned, ended.journal_error), (None, None));
    assert!(until.is_some(), "a crash liquidates somebody");
    ledger::agree(&books(&market, ended.state.now), data.path(), "the crash");
    (first.expect("a snapshot comes first"), records)
}

/// The exchange's books, opened again at the time of the session's end.
fn books(market: &simulator::Settings, at: SessionTime) -> serde_json::Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let exchange = simulator::InMemory::open(market, Clock::starting_at(at, Speed::Max)).unwrap();
        let request = axum::http::Request::get("/sim/ledger").body(axum::body::Bytes::new()).unwrap();
        serde_json::from_slice(exchange.call(request).await.unwrap().body()).unwrap()
    })
}

#[test]
fn the_crash_is_shown_as_it_happened() {
    let mut album = Album::open();
    let (first, records) = crash();
    let begun = records.first().unwrap().at;
    let liquidated = records.last().unwrap().at.since(begun);
    assert!(liquidated < Duration::from_secs(120), "within two minutes of session time, not {liquidated:?}");
    for size in [(80, 24), (120, 40), (200, 60)] {
        let mut stage = Stage::new(size, "cockpit", Depth::TrueColour, false).unwrap();
        stage.begin_at(begun);
        stage.tell(Msg::Snapshot(Arc::clone(&first)));
        stage.follow(records.clone());
        let shown = stage.screen().join("\n");
        assert!(shown.contains("LIQUIDATED"), "{shown}");
        album.add(&format!("crash-{}x{}", size.0, size.1), &mut stage);
    }
    album.close();
}
