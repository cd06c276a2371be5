//! The dashboard on a stage session, inside the pseudo-terminal.

use std::sync::Arc;

use perpdeck::clock::Clock;
use perpdeck::model::{PastError, PastPage, PastQuery, PastReader, SessionState};
use perpdeck::runtime::{Archive, CommandSender, EventBus, Interest, SessionHandle, TellDurable};
use perpdeck::tui::testkit::{Fact, Feed};
use perpdeck::tui::{self, Dressing, Setup};

/// Names what the child does; without it this is an ordinary, empty test.
pub const VARIABLE: &str = "PERPDECK_STAGE";
/// Names the notification command, when there is to be one.
pub const HOOK: &str = "PERPDECK_STAGE_HOOK";

/// A past that is never told.
struct Hanging;

impl PastReader for Hanging {
    fn page(&mut self, _: &PastQuery) -> Result<PastPage, PastError> {
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn stage_session() {
    let Ok(what) = std::env::var(VARIABLE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(dashboard(&what));
}

async fn dashboard(what: &str) {
    let clock = Clock::wall();
    let mut feed = Feed::default();
    let mut state = SessionState::default();
    for fact in facts(what) {
        for record in feed.records(&state.clone(), clock.now(), &fact, &[]) {
            state.apply(&record);
        }
    }
    let bus = EventBus::new();
    let updates = bus.subscriptions().folding("dashboard", Interest::Everything, 64);
    let (commands, _received) = CommandSender::channel();
    let (_disk, durable) = TellDurable::channel();
    let handle = SessionHandle {
        durable,
        snapshot: Arc::new(state),
        updates,
        commands,
        clock,
        archive: Archive::new(vec![("a disk that hangs".to_owned(), Box::new(Hanging))]),
        sink: None,
    };
    let mut setup = Setup::default();
    setup.dashboard.notify_command = std::env::var(HOOK).ok();
    let dressing = Dressing::load(&setup, None).unwrap();
    match what {
        "panic-elsewhere" => {
            std::thread::Builder::new().name("gateway".into()).spawn(|| panic!("on purpose")).unwrap();
        }
        "panic-here" => {
            let local = tokio::task::LocalSet::new();
            local
                .run_until(async {
                    let shown = tokio::task::spawn_local(tui::run(handle, setup, dressing));
                    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                    drop(shown);
                    panic!("on purpose");
                })
                .await;
            return;
        }
        _ => {}
    }
    let _ = tui::run(handle, setup, dressing).await.unwrap();
}

#[derive(serde::Deserialize)]
struct Facts {
    facts: Vec<Fact>,
}

fn facts(what: &str) -> Vec<Fact> {
    let mut text = String::from("facts = [{ fact = \"session\", label = \"stage\" },");
    if what == "critical" {
        text.push_str(
            "{ fact = \"alert\", kind = \"LIQUIDATION_DETECTED\", severity = \"CRITICAL\", symbol = \"BTC_USDT\", message = \"BTC_USDT LONG taken over\" },",
        );
    }
    text.push(']');
    toml::from_str::<Facts>(&text).unwrap().facts
}
