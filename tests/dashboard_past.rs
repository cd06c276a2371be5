//! The history pane on a past that lies in a real database.
#![cfg(test)]

#[expect(dead_code, reason = "the facts are made here, the journal is not")]
#[path = "store/facts.rs"]
mod facts;

use std::collections::BTreeSet;
use std::time::Duration;

use perpdeck::model::{PastError, PastPage, PastQuery, PastReader, PastTable};
use perpdeck::store::{PastOfSqlite, Projections};
use perpdeck::tui::keymap::Press;
use perpdeck::tui::model::{PAST_PAGE, Pane, RowId};
use perpdeck::tui::testkit::{Fact, Stage};
use perpdeck::tui::theme::Depth;
use perpdeck::tui::update::{Effect, Msg};
use tempfile::TempDir;

/// A stage with a past of so many orders, whose session runs.
fn stage(size: (u16, u16), orders: u64) -> (TempDir, Stage) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.sqlite");
    let mut projections = Projections::open(&path).unwrap();
    projections.fold(&facts::facts(orders)).unwrap();
    let mut stage = Stage::new(size, "cockpit", Depth::TrueColour, false).unwrap();
    let begun = toml::from_str::<Fact>("fact = \"session\"\n").unwrap();
    stage.happen(&begun);
    stage.keep_past(Box::new(PastOfSqlite::new(&path)), &["this machine", "QuestDB"]);
    (dir, stage)
}

fn screen(stage: &mut Stage) -> String {
    stage.screen().join("\n")
}

fn selected(stage: &Stage) -> RowId {
    stage.model.table(Pane::History).selected.clone().unwrap()
}

fn looks(stage: &Stage) -> usize {
    stage.effects.iter().filter(|effect| matches!(effect, Effect::Look { .. })).count()
}

#[test]
fn it_opens_over_all_panes_and_goes_back_to_where_one_was() {
    for size in [(80, 24), (120, 40), (200, 60), (60, 14)] {
        let (_dir, mut stage) = stage(size, 9);
        assert_eq!(looks(&stage), 0, "nothing is asked before it is opened");
        stage.keys("2 H");
        let text = screen(&mut stage);
        assert!(text.contains("7 History [orders] positions") && text.contains("BTC_USDT"), "{text}");
        assert!(!text.contains("2 Orders") && text.contains("X HALT"), "{text}");
        assert_eq!(looks(&stage), 1);
        stage.keys("esc");
        assert_eq!(stage.model.focus, Pane::Orders);
        assert!(screen(&mut stage).contains("2 Orders"));
        stage.keys("7 tab");
        assert_eq!(stage.model.focus, Pane::Orders);
    }
}

#[test]
fn every_table_is_a_key_away() {
    let (_dir, mut stage) = stage((200, 40), 9);
    stage.keys("H");
    for (table, word) in [
        (PastTable::Positions, "LIQUIDATED"),
        (PastTable::Signals, "momentum"),
        (PastTable::Alerts, "CRITICAL"),
        (PastTable::Orders, "balance insufficient"),
    ] {
        stage.keys("l");
        assert_eq!(stage.model.past.table, table);
        let text = screen(&mut stage);
        assert!(text.contains(&format!("[{}]", table.word())) && text.contains(word), "{text}");
    }
    stage.keys("left");
    assert_eq!(stage.model.past.table, PastTable::Alerts);
}

#[test]
fn unknown_is_shown_as_unknown_and_text_from_outside_is_harmless() {
    let (_dir, mut stage) = stage((200, 40), 9);
    stage.keys("H");
    let text = screen(&mut stage);
    let failed = text.lines().find(|line| line.contains("balance insufficient")).unwrap();
    assert!(failed.contains(" ? "), "{failed}");
    stage.keys("/ 'no such \u{202e}thing' enter");
    let text = screen(&mut stage);
    assert!(text.contains("no orders with") && !text.contains('\u{202e}'), "{text}");
}

/// Every row is met once on the way down, and once on the way up, over all pages.
#[test]
fn pages_follow_one_another_under_the_selection() {
    const ORDERS: u64 = 450;
    let (_dir, mut stage) = stage((120, 30), ORDERS);
    stage.key_gap = Duration::from_millis(50);
    stage.keys("H");
    assert_eq!(stage.model.past.rows.len(), PAST_PAGE);
    let walk = |stage: &mut Stage, key: &str| {
        let mut met = vec![selected(stage)];
        for _ in 0..ORDERS + 5 {
            stage.tell(Msg::Key(Press::parse(key).unwrap(), stage.now().real));
            stage.wait(Duration::from_millis(50));
            if met.last() != Some(&selected(stage)) {
                met.push(selected(stage));
            }
        }
        met
    };
    let down = walk(&mut stage, "j");
    assert_eq!(down.len(), usize::try_from(ORDERS).unwrap());
    assert_eq!(down.iter().collect::<BTreeSet<_>>().len(), down.len(), "no row twice");
    assert!(screen(&mut stage).contains("last page"));
    let mut up = walk(&mut stage, "k");
    up.reverse();
    assert_eq!(up, down);
    assert!(screen(&mut stage).contains("page 1, more follow"));
    // To the very end and back without the pages between.
    let before = looks(&stage);
    stage.keys("G");
    assert_eq!(selected(&stage), *down.last().unwrap());
    stage.keys("g g");
    assert_eq!(selected(&stage), down[0]);
    assert_eq!(looks(&stage), before + 2);
}

#[test]
fn the_filter_and_the_sort_ask_anew_and_are_shown() {
    let (_dir, mut stage) = stage((120, 30), 30);
    stage.keys("H / 'ETH'");
    let text = screen(&mut stage);
    assert!(text.contains("/ETH") && text.contains("ETH_USDT") && !text.contains("BTC_USDT"), "{text}");
    stage.keys("enter s");
    assert!(screen(&mut stage).contains("by symbol"));
    stage.keys("S");
    assert!(screen(&mut stage).contains("by symbol, backwards"));
    stage.keys("esc");
    assert_eq!(stage.model.focus, Pane::History, "one level back: the filter");
    let text = screen(&mut stage);
    assert!(text.contains("SOL_USDT") && !text.contains("/ETH"), "{text}");
    stage.keys("esc");
    assert_eq!(stage.model.focus, Pane::Positions);
}

#[test]
fn all_of_a_row_is_shown_when_wanted() {
    for size in [(80, 24), (200, 60)] {
        let (_dir, mut stage) = stage(size, 9);
        stage.keys("H enter");
        let text = screen(&mut stage);
        for name in ["exchange_order_id", "session_id", "k3f9a2xq"] {
            assert!(text.contains(name) || size.1 < 30, "{name} at {size:?}:\n{text}");
        }
        assert!(text.contains("Row") && text.contains("order_id"), "{text}");
        stage.keys("j y");
        let RowId::Past(place) = selected(&stage) else { panic!() };
        let copied = stage.effects.iter().rev().find_map(|effect| match effect {
            Effect::Copy(text) => Some(text.clone()),
            _ => None,
        });
        assert!(copied.unwrap().ends_with(&place.key), "the id of the selected order");
        stage.keys("esc");
        assert!(!stage.model.past.detail);
        assert_eq!(stage.model.focus, Pane::History);
    }
}

/// Until an answer comes the screen says so, and every key works on.
#[test]
fn a_past_that_is_slow_holds_nobody_up() {
    let (_dir, mut stage) = stage((120, 30), 9);
    let reader = stage.past.take().unwrap();
    stage.keys("H");
    stage.wait(Duration::from_secs(2));
    assert!(screen(&mut stage).contains("reading 2."), "{}", screen(&mut stage));
    stage.keys("l l");
    assert_eq!(stage.model.past.table, PastTable::Signals);
    // An answer to an older question says nothing about this one.
    let asked: Vec<(u64, PastQuery)> = stage
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Look { ticket, query, .. } => Some((*ticket, query.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 3);
    let mut reader = reader;
    let (ticket, query) = &asked[0];
    stage.tell(Msg::Past(*ticket, Ok(reader.page(query).unwrap())));
    assert!(stage.model.past.rows.is_empty());
    let (ticket, query) = &asked[2];
    stage.tell(Msg::Past(*ticket, Ok(reader.page(query).unwrap())));
    assert!(screen(&mut stage).contains("signal type is unknown"));
}

/// Fails as long as it is asked by the wrong name.
struct Failing;

impl PastReader for Failing {
    fn page(&mut self, _: &PastQuery) -> Result<PastPage, PastError> {
        Err(PastError("QuestDB at 127.0.0.1:9000 does not answer: start it, or look \u{1b}[2J there".to_owned()))
    }
}

#[test]
fn a_past_that_cannot_be_read_says_why_and_how_to_go_on() {
    let (_dir, mut stage) = stage((80, 24), 9);
    let good = stage.past.replace(Box::new(Failing)).unwrap();
    stage.keys("H");
    let text = screen(&mut stage);
    assert!(text.contains("does not answer") && text.contains("o reads it from another place"), "{text}");
    assert!(!text.contains('\u{1b}'));
    assert!(!text.contains("BTC_USDT   "), "nothing stale is shown as if it were the answer");
    stage.past = Some(good);
    stage.keys("o");
    let text = screen(&mut stage);
    assert!(text.contains("from QuestDB") && text.contains("BTC_USDT"), "{text}");
    // With one place only the key says so.
    stage.model.past.sources.truncate(1);
    stage.model.past.source = 0;
    stage.keys("o");
    assert!(screen(&mut stage).contains("QuestDB is not configured"));
}

#[test]
fn reading_again_keeps_the_selected_row() {
    let (_dir, mut stage) = stage((120, 30), 30);
    stage.keys("H j j j j");
    let before = selected(&stage);
    let asked = looks(&stage);
    stage.keys("r");
    assert_eq!(looks(&stage), asked + 1);
    assert_eq!(selected(&stage), before);
}

/// Whatever is drawn and typed, nothing falls over and no command leaves.
#[test]
fn any_size_can_be_drawn() {
    let (_dir, mut stage) = stage((80, 24), 40);
    stage.keys("H enter");
    for width in [1, 20, 59, 60, 61, 79, 110, 116, 118, 159, 160, 161, 300] {
        for height in [1, 3, 14, 15, 24, 30, 61] {
            stage.tell(Msg::Resize(width, height));
            stage.keys("j G k pageup pagedown s S l");
            stage.draw();
        }
    }
    assert!(stage.sent.is_empty());
}
